"""Whether a Korean sentence has words that its sources haven't, or has exchanged theirs."""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import chain, combinations, pairwise

from index.morphemes import noun_particles, noun_terms, tagged_morphemes
from server.answerers.facts import squeeze

# Nouns that say nothing themselves: "2년 동안" is "2년간", and "전화번호는" goes before a number.
GENERAL = frozenset({
    "가능", "결과", "경우", "곳", "관련", "그날", "금액", "기간", "기준", "날짜", "내용", "다음", "담당", "대상",
    "동안", "때", "말", "명칭", "문제", "방법", "방식", "번호", "부분", "분", "분야", "비롯", "사람", "사항", "소속",
    "연락처", "예", "예정", "이름", "이번", "이유", "이후", "일", "장소", "전화번호", "점", "정도", "직급", "직책",
    "필요", "해당",
})  # fmt: skip
# What is held to dates and times with the other facts.
_WEEKDAYS = frozenset(f"{day}요일" for day in "월화수목금토일")
_TIME_OF_DAY = re.compile(r"오[전후](?=\s?\d)")
# Verbs that say little by themselves, or are part of a particle: "통해", "따라".
LIGHT_VERBS = frozenset({
    "가지", "갖", "같", "걸치", "관하", "그렇", "나오", "나타나", "대하", "되", "두", "들", "따르", "말하", "받",
    "밝히", "보이", "비롯하", "아니", "앞서", "없", "위하", "의하", "이렇", "이루어지", "이르", "이어지", "인하",
    "있", "지나", "통하", "하",
})  # fmt: skip
# How documents say what people say in everyday words.
_TOLD_BY = {
    "가": "방문|이동", "가능": "수 있|가능", "걸리": "소요|이내", "고르": "선택", "끝나": "종료|마감|완료|마치",
    "내": "납부|부과|제출|지불|부담|요금|수수료|과태료", "내리": "인하|하락", "넘": "초과|이상",
    "늘": "증가|확대|증원|연장", "늘리": "증가|확대|증원|연장", "늘어나": "증가|확대|연장", "늦": "지연|연체|초과",
    "담당자": "담당", "데려오": "동반|데리", "돌려받": "환급|환불|반환|돌려", "돌려주": "환급|환불|반환|돌려",
    "뜻하": "의미|말한다", "만들": "제작|조성|마련|수립|구축", "맡": "담당|수행|대표|책임", "맺": "체결|결연|계약",
    "머무르": "머물|체류", "모두": "총|합계|합쳐|합하|전체", "모으": "모집|수집", "모이": "집합|소집",
    "바꾸": "변경|교체|전환", "바뀌": "변경|교체|전환", "발표": "밝[혔힌히]", "보": "확인|열람|관람|심사",
    "보내": "발송|송부|제출|통지", "부치": "우편|발송", "빌리": "대출|대여|임차|차용", "뽑": "선발|선정|채용",
    "사": "구매|구입|매입", "살": "거주|주거|체류", "세우": "수립|설립|설치|건립", "쉬": "휴관|휴무|휴일|휴원|휴업",
    "쌓": "구축|적립", "쓰": "사용|이용|활용|작성|지출", "쓰이": "사용|이용|활용|지출", "알": "확인|문의|안내",
    "알리": "안내|통지|공지|통보|발표|신고", "없애": "폐지|삭제|제거", "열": "개최|개관|개장|개설",
    "열리": "개최|개막|개관|개장", "오": "방문|내방", "오르": "인상|상승|증가", "옮기": "이전|이동|이송",
    "일하": "근무|종사|근로|소속", "잃": "상실|분실", "잃어버리": "분실", "주": "지급|제공|지원|수여|부여",
    "줄": "감소|축소|감축|단축", "줄어들": "감소|축소|감축|단축", "줄이": "감소|축소|감축|단축", "지키": "준수",
    "짓": "건설|건립|신축", "짧": "단축", "찾": "수령|방문|검색", "책임자": "책임", "챙기": "지참|준비",
    "치르": "시행|실시|납부", "키우": "육성|양성|강화", "필요": "야 [하한함합]|야한|필수|요한|구비",
}  # fmt: skip
# A passive or another form of the same: "열리다" is what happens where one opens.
_DERIVED = ("이", "히", "리", "기", "어나", "어지", "아지", "어들")
# Adverbs that change what is said; most others lead from one thing to the next.
_TELLING_ADVERBS = frozenset((adverb, "MAG") for adverb in (
    "가장", "거의", "다시", "더", "덜", "더욱", "따로", "모두", "별도로", "새로", "새로이", "서로", "자주", "함께",
))  # fmt: skip
# As they are shortened where several stand together: "한-미 정상회담", "한·중·일".
_COUNTRIES = {
    "한": "한국", "미": "미국", "중": "중국", "일": "일본", "북": "북한", "러": "러시아",
    "영": "영국", "독": "독일", "불": "프랑스",
}  # fmt: skip
_NAMING = frozenset({"NNG", "NNP", "XR", "SL", "SH", "SN", "W"})
_NUMBER, _GROUPED = re.compile(r"\d+"), re.compile(r"(?<=\d),(?=\d{3})")
_STRENGTHENING = re.compile(
    "반드시|무조건|누구나|누구든지|언제나|언제든지|어디서나|어떤 경우에도|항상|언제나|오직|절대로?|전부|즉시|곧바로|꼭"
)
_ONLY = frozenset({("만", "JX"), ("밖에", "JX"), ("뿐", "NNB"), ("모든", "MM"), ("외", "NNB")})
# From this share of its nouns on a sentence is a copy, and a noun in the place of another one is no summary.
_COPIED_SHARE = 0.5
_SUBJECTS, TOPIC_PARTICLES = ("이", "가", "께서"), ("은", "는", "ᆫ")
_JOINED = ("와", "과", "및", ",", "·", "하고", "이나", "나")


def analyse(text: str) -> None:
    """Remember of a source what it takes longest to find, so that no sentence waits for it later."""
    tagged_morphemes(text)
    noun_particles(text)


def unknown_words(claim: str, known: frozenset[str], cited: Sequence[str]) -> list[str]:
    """Return the words of `claim` that say something and are neither in `known` nor in the texts `cited`.

    They are nouns, verbs and some adverbs; a verb may be told by a noun there: "쉽니다" by "휴관한다".

    `known` are the terms of what it cites. A name can be taken apart otherwise there.
    """
    source, claim = "\n".join(cited), _TIME_OF_DAY.sub("", claim)
    held, squeezed, morphemes = known | _spelled_out(known), squeeze(source), tagged_morphemes(claim)
    predicates = {form for (form, _), (_, tag) in pairwise(morphemes) if tag in ("XSV", "XSA")}
    nouns = [
        noun for noun in noun_terms(claim) if noun not in held and not _is_held(noun, squeezed, noun in predicates)
    ]
    verbs = [form for form, tag in morphemes if tag in ("VV", "VA") and not _is_known_verb(form, held)]
    adverbs = [form for form, _ in _not_told(_TELLING_ADVERBS, claim, cited)]
    return [word for word in (*nouns, *verbs, *adverbs) if not _is_told_by_others(word, source)]


def _spelled_out(words: Iterable[str]) -> frozenset[str]:
    """Return the names of the countries that are shortened in `words`."""
    several = (word for word in words if len(word) > 1 and _COUNTRIES.keys() >= set(word))
    return frozenset(_COUNTRIES[syllable] for word in several for syllable in word)


def _is_held(word: str, squeezed: str, is_predicate: bool = False) -> bool:
    is_general = word in _WEEKDAYS or (word in GENERAL and (not is_predicate or word == "말"))
    return is_general or (len(word) > 1 and not word.isdigit() and word in squeezed)


def _is_told_by_others(word: str, source: str) -> bool:
    return any(form in _TOLD_BY and re.search(_TOLD_BY[form], source) for form in (word, _with_or_without_l(word)))


def _is_known_verb(verb: str, known: Collection[str]) -> bool:
    if verb in LIGHT_VERBS:
        return True
    # "내리다" is no form of "내다".
    bare = {verb.removesuffix(ending) for ending in _DERIVED} if verb != "내리" else {verb}
    return any(
        form in known for stem in bare | {_with_or_without_l(verb)} for form in (stem, *map(stem.__add__, _DERIVED))
    )


def _with_or_without_l(verb: str) -> str:
    """Return a stem with ㄹ at its end, or without: "사는" may be of "사다" or "살다"."""
    at = (ord(verb[-1]) - ord("가")) % 28
    change = 8 if at == 0 else -8 if at == 8 else 0
    return verb[:-1] + chr(ord(verb[-1]) + change)


def is_strengthened(claim: str, sources: Sequence[str]) -> bool:
    """Whether `claim` says that something is always so, only so or has to be, where none of its sources does."""
    if _STRENGTHENING.search(claim) and not any(map(_STRENGTHENING.search, sources)):
        return True
    return bool(_not_told(_ONLY, claim, sources))


def _not_told(telling: Collection[tuple[str, str]], claim: str, sources: Sequence[str]) -> list[tuple[str, str]]:
    """Return which of the morphemes `telling`, with their tags, `claim` has and none of its sources."""
    said = [morpheme for morpheme in tagged_morphemes(claim) if morpheme in telling]
    told = {morpheme for text in sources for morpheme in tagged_morphemes(text)} if said else frozenset()
    return [morpheme for morpheme in said if morpheme not in told]


def has_exchanged_nouns(claim: str, quoted: Sequence[str]) -> bool:
    """Whether `claim` has a noun or number in the place of another one of its source, or two that change places."""
    return _has_substituted(claim, quoted) or _has_swapped(claim, quoted)


def _has_substituted(claim: str, quoted: Sequence[str]) -> bool:
    mine = _sequence(claim)
    copies = [(text, SequenceMatcher(None, _sequence(text), mine, autojunk=False)) for text in quoted]
    source, nearest = max(copies, key=lambda copy: copied_size(copy[1]))
    if copied_size(nearest) < _COPIED_SHARE * len(mine):
        return False
    own, squeezed = _spelled_out(noun_terms(source)).union(_sequence(source)), squeeze(source)
    return any(
        word not in own and not _is_held(word, squeezed)
        for kind, _, _, start, end in nearest.get_opcodes()
        if kind == "replace"
        for word in mine[start:end]
    )


@lru_cache(maxsize=2_000)
def _sequence(text: str) -> tuple[str, ...]:
    """Return the nouns and the numbers of a text in their order."""
    found = [
        _NUMBER.findall(_GROUPED.sub("", form)) if _NUMBER.search(form) else [form]
        for form, tag in tagged_morphemes(text)
        if tag in _NAMING
    ]
    return tuple(chain.from_iterable(found))


def copied_size(copy: SequenceMatcher[str]) -> int:
    """Return how many words of one sequence stand in the other in their order."""
    return sum(block.size for block in copy.get_matching_blocks())


def _has_swapped(claim: str, quoted: Sequence[str]) -> bool:
    """Whether two nouns have each the part that the other one has in each source that has both."""
    # A title stands before a name or behind it.
    beside = _neighbours(claim) & frozenset[frozenset[str]]().union(*map(_neighbours, quoted))
    return any(
        _change_places(_parts(claim, view), [_parts(text, view) for text in quoted], beside)
        for view in (_as_subjects, _as_topics, _as_names)
    )


Parts = dict[str, frozenset[str]]


def _change_places(mine: Parts, sources: Sequence[Parts], beside: frozenset[frozenset[str]]) -> bool:
    for one, other in combinations(mine, 2):
        if frozenset({one, other}) in beside:
            continue
        both = [source for source in sources if one in source and other in source]
        if both and all(
            mine[one] & source[other]
            and mine[other] & source[one]
            and not mine[one] & source[one]
            and not mine[other] & source[other]
            for source in both
        ):
            return True
    return False


def _neighbours(text: str) -> frozenset[frozenset[str]]:
    """Return the pairs of nouns that stand beside one another without a particle between."""
    return frozenset(
        frozenset({noun, following})
        for (noun, particle), (following, _) in pairwise(noun_particles(text))
        if not particle
    )


def _as_subjects(particle: str, _following: str) -> str:
    # What a sentence is about mostly does what it says.
    return "이" if particle in _SUBJECTS or particle in TOPIC_PARTICLES else particle


def _as_topics(particle: str, _following: str) -> str:
    return "이" if particle in _SUBJECTS else "은" if particle in TOPIC_PARTICLES else particle


def _as_names(particle: str, following: str) -> str:
    # A name stands before a title, a part before what it is of.
    return following if particle in ("", "의") else particle


@lru_cache(maxsize=5_000)
def _parts(text: str, view: Callable[[str, str], str]) -> Parts:
    """Return the parts of each noun. What is joined by "와" or a comma has that of the last one."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    part = following = ""
    for noun, particle in reversed(noun_particles(text)):
        if particle and particle not in _JOINED:
            part = view(particle, following)
        found[noun].add(part if particle else view("", following))
        following = noun
    return {noun: frozenset(parts) for noun, parts in found.items()}
