"""llama.cpp's own HTTP server, from the package xllamacpp: `llama-server` without the program.

    python llama_cpp_server.py MODEL.gguf PORT

It serves the model as `smollm2` to those who have the key in VLLM_API_KEY, until it is stopped.
"""

import os
import signal
import sys

import xllamacpp

parameters = xllamacpp.CommonParams()
parameters.model.path, parameters.port = sys.argv[1], int(sys.argv[2])
parameters.hostnames, parameters.api_keys = ["127.0.0.1"], [os.environ["VLLM_API_KEY"]]
parameters.model_alias = {"smollm2"}
parameters.n_ctx, parameters.n_parallel = 4096, 4
server = xllamacpp.Server(parameters)
signal.pause()
