"""Terms that ask rather than tell: they say nothing of what a question is about, so search and overlap leave them out.

As `morphemes.search_terms` gives them: Korean stems, stemmed English words, Chinese and Japanese bigrams.
"""

_KOREAN = """
알 알리 말 말하 말씀 궁금 설명 어떻 어떠 어떤 그렇 이렇 무엇 뭐 뭣 누구 언제 어디 왜 얼마 몇 가르치 가르쳐주 묻 질문 답 답변 대답
있 없 되 하 이 그 저 것 거 수 좀 혹시 관련 대하 관하 위하 통하 따르 같 싶 부탁 주 보 드리 해주 알려주 무슨 어느 구체 내용 정확 자세 경우
"""
_ENGLISH = """
a about ani anyth are as at be been by can could detail did do doe explain for from had has have how i if in inform is it its
know me may might much mani of on or pleas shall should tell that the their them there these they this those to
us want was we were what when where which who whom whose whi will with would you your and describ give mention
"""
_VIETNAMESE = """
ai bao bị các cái cho có của cùng đã đang để đến đi đó được gì giữa hãy hỏi khi không là lúc mà mấy nào này nên nhiêu những
nhưng như nói ở ra rằng sao sẽ tại thế thì thì tôi trong trên từ và về vì với xin biết vậy nhằm
"""
_JAPANESE = """
です すか ます まし した ない なに 何で 何を 何が 何の 何に 誰が 誰で 誰の いつ どこ どの どん なぜ です ですか でし
した され れた れる てい いる いま すが する こと もの とは はい はど はな のは のか たか るか うか すか につ つい いて
教え えて てく くだ ださ さい はい はい はど には では にと との して たの しょ ょう うな どう
"""
_CHINESE = """
什么 么时 时候 是什 是谁 谁是 哪里 哪些 哪个 哪年 为什 为何 怎么 怎样 如何 多少 几个 请问 告诉 诉我 了什 么是 的是 是多 是哪
"""

QUESTION_WORDS = frozenset(" ".join([_KOREAN, _ENGLISH, _VIETNAMESE, _JAPANESE, _CHINESE]).split())
