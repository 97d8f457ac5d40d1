#!/usr/bin/env python3
"""From nothing to the first token of a 16-token prompt: seconds and peak memory, pronk beside llama.cpp.

    bench/load.py --pronk build/release/pronk MODEL.gguf... [MODEL.pronk...] [-t 2] [--rounds 5]

Every try is a process of its own, in turns, files in the page cache. Before each, another process takes 1.25 times the file's size of memory
and ends: where the machine is a virtual one, its host may have taken back what nobody used, and takes long to give it again. pronk's
seconds begin with its process and end with the first byte of text; llama.cpp's begin when Python has imported everything and end with
the likeliest token, and its memory is what it took beyond the imports. Run it with the Python of build/peers (`./test --peers` makes it).
llama.cpp is asked for the GGUF files alone.
"""
import argparse
import json
import mmap
import os
import resource
import statistics
import subprocess
import sys
import time

PROMPT = "one two three four five six seven eight nine ten one two three four five"  # and BOS: 16 tokens


def try_pronk(pronk, path, threads):
    started = time.perf_counter()
    process = subprocess.Popen([pronk, "run", path, "--raw", "-p", PROMPT, "-n", "1", "-c", "512", "-t", str(threads), "--quiet"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    first = process.stdout.read(1)
    seconds = time.perf_counter() - started
    process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0 or not first:
        sys.exit(f"pronk failed on {path}")
    return seconds, usage.ru_maxrss * 1024


def take_memory(size):
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    memory = mmap.mmap(-1, size)
    memory.madvise(mmap.MADV_HUGEPAGE)
    for place in range(0, size, 4096):
        memory[place] = 1
    os._exit(0)


def llama_cpp_child(path, threads):
    import llama_cpp as api
    import numpy

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    before, started = peak(), time.perf_counter()
    model = api.llama_model_load_from_file(path.encode(), api.llama_model_default_params())
    settings = api.llama_context_default_params()
    settings.n_ctx, settings.n_threads, settings.n_threads_batch = 512, threads, threads
    context = api.llama_init_from_model(model, settings)
    tokens = numpy.zeros(64, numpy.int32)
    pointer = tokens.ctypes.data_as(api.llama_token_p)
    count = api.llama_tokenize(api.llama_model_get_vocab(model), PROMPT.encode(), len(PROMPT), pointer, 64, True, True)
    assert count == 16, count
    assert api.llama_decode(context, api.llama_batch_get_one(pointer, count)) == 0
    logits = api.llama_get_logits_ith(context, -1)
    numpy.ctypeslib.as_array(logits, (api.llama_vocab_n_tokens(api.llama_model_get_vocab(model)),)).argmax()
    print(json.dumps([time.perf_counter() - started, peak() - before]))


def try_llama_cpp(path, threads):
    child = subprocess.run([sys.executable, __file__, "--child", path, "-t", str(threads)], capture_output=True, text=True)
    if child.returncode != 0:
        sys.exit(f"llama.cpp failed on {path}: {child.stderr[-2000:]}")
    return json.loads(child.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--pronk", default="build/release/pronk")
    parser.add_argument("-t", "--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--child")
    arguments = parser.parse_args()
    if arguments.child:
        llama_cpp_child(arguments.child, arguments.threads)
        return
    tries = []
    for path in arguments.models:
        tries.append(("pronk", path, lambda p: try_pronk(arguments.pronk, p, arguments.threads)))
        if path.endswith(".gguf"):
            tries.append(("llama.cpp", path, lambda p: try_llama_cpp(p, arguments.threads)))
    found = [[] for _ in tries]
    for _ in range(arguments.rounds + 1):  # the first one warms the page cache
        for (_, path, measure), results in zip(tries, found):
            take_memory(os.path.getsize(path) * 5 // 4)
            results.append(measure(path))
    print("| program | file | seconds to the first token | peak memory MB |\n|---|---|---|---|")
    for (program, path, _), results in zip(tries, found):
        seconds, peak = (statistics.median(column) for column in zip(*results[1:]))
        print(f"| {program} | {os.path.basename(path)} | {seconds:.2f} | {peak / 1e6:.0f} |")


if __name__ == "__main__":
    main()
