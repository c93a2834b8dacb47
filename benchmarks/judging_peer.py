"""Ask a judge's endpoint with the plain `openai` client in a pool of threads, without limits or a journal."""

import argparse
import os
from concurrent.futures import ThreadPoolExecutor

import openai


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base-url", required=True, help="the endpoint, with its /v1")
    parser.add_argument("--calls", required=True, type=int, help="calls to make")
    parser.add_argument("--concurrency", required=True, type=int, help="threads")
    arguments = parser.parse_args()
    client = openai.OpenAI(base_url=arguments.base_url, api_key=os.environ["OPENAI_API_KEY"])

    def ask(number: int) -> str:
        messages = [{"role": "user", "content": f"Rate answer {number}."}]
        return client.chat.completions.create(model="slow", messages=messages).choices[0].message.content

    with ThreadPoolExecutor(arguments.concurrency) as pool:
        print(sum("[[2]]" in reply for reply in pool.map(ask, range(arguments.calls))))


if __name__ == "__main__":
    main()
