#!/usr/bin/env python3
"""pronk beside the peers that a user would pick, on the same GGUF, threads and prompt length.

    bench/peers.py --pronk build/release/pronk MODEL.gguf... [-p 512] [-n 64] [-t 2] [-b 1] [--kv bf16|int8] [--rounds 3] [--peers llama.cpp,openvino]
    bench/peers.py ... -p 32768 -n 32 --kv int8 --rounds 1 --pronk-flag=-r --pronk-flag=1 --peers llama.cpp    # a long context: minutes

The programs take turns, so that a busy neighbour disturbs all of them; each figure is the median over the rounds. One sequence is
decoded after the prompt. Each of llama.cpp's figures is the better of with and without flash attention. `--kv int8` gives pronk and llama.cpp
(Q8_0, with it) a cache of 8 bits; OpenVINO keeps its own choice.
Run it with the Python of build/peers (`./test --peers` makes it), which has llama-cpp-python and openvino-genai. Prints a Markdown table,
or with --json one object per line.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time


def measure_llama_cpp(path, prompt, generate, threads, batch, kv):
    """Prefill and decode tokens/s of llama.cpp through its C API, the better of with and without flash attention; decode sums over the sequences
    decoded together."""
    import llama_cpp as api

    api.llama_backend_init()
    started = time.perf_counter()
    model = api.llama_model_load_from_file(path.encode(), api.llama_model_default_params())
    load_ms = (time.perf_counter() - started) * 1000
    found = {"prefill_tps": 0, "decode_tps": 0, "load_ms": load_ms}
    # A cache of 8 bits needs it.
    for flash in [True] if kv == "int8" else [True, False]:
        prefill_tps, decode_tps = run_llama_cpp(api, model, prompt, generate, threads, batch, kv, flash)
        found["prefill_tps"] = max(found["prefill_tps"], prefill_tps)
        found["decode_tps"] = max(found["decode_tps"], decode_tps)
    return found


def run_llama_cpp(api, model, prompt, generate, threads, batch, kv, flash):
    import ctypes

    import numpy

    settings = api.llama_context_default_params()
    settings.n_ctx = max(4096, prompt + generate + 64, (generate + 64) * batch)
    settings.n_batch, settings.n_ubatch = 2048, 512
    settings.n_threads = settings.n_threads_batch = threads
    settings.n_seq_max = batch
    settings.flash_attn_type = api.LLAMA_FLASH_ATTN_TYPE_ENABLED if flash else api.LLAMA_FLASH_ATTN_TYPE_DISABLED
    if kv == "int8":
        settings.type_k = settings.type_v = api.GGML_TYPE_Q8_0
    context = api.llama_init_from_model(model, settings)
    memory = api.llama_get_memory(context)

    def prefill(tokens):
        api.llama_memory_clear(memory, True)
        begin = time.perf_counter()
        for first in range(0, len(tokens), settings.n_batch):
            piece = tokens[first : first + settings.n_batch]
            if api.llama_decode(context, api.llama_batch_get_one(piece.ctypes.data_as(ctypes.POINTER(ctypes.c_int32)), len(piece))):
                sys.exit("llama.cpp did not read the prompt")
        api.llama_synchronize(context)
        return len(tokens) / (time.perf_counter() - begin)

    def decode(start):
        if start == 0:
            api.llama_memory_clear(memory, True)
        rows = api.llama_batch_init(batch, 0, 1)
        begin, warm_up = 0.0, 4
        for position in range(generate + warm_up):
            if position == warm_up:
                begin = time.perf_counter()
            rows.n_tokens = batch
            for sequence in range(batch):
                rows.token[sequence], rows.pos[sequence] = 50 + sequence, start + position
                rows.n_seq_id[sequence], rows.seq_id[sequence][0], rows.logits[sequence] = 1, sequence, 1
            if api.llama_decode(context, rows):
                sys.exit("llama.cpp did not decode")
            api.llama_synchronize(context)
        seconds = time.perf_counter() - begin
        api.llama_batch_free(rows)
        return generate * batch / seconds

    tokens = numpy.random.default_rng(0).integers(100, 20000, prompt).astype(numpy.int32)
    prefill(tokens[:64])
    figures = prefill(tokens), decode(prompt if batch == 1 else 0)
    api.llama_free(context)
    return figures


def measure_openvino(path, prompt, generate, threads, batch, kv):
    """The same of OpenVINO GenAI, which reads the GGUF itself; with several sequences its continuous batching."""
    import openvino_genai as api

    def config(tokens):
        c = api.GenerationConfig()
        c.max_new_tokens, c.ignore_eos, c.apply_chat_template, c.do_sample = tokens, True, False, False
        return c

    started = time.perf_counter()
    if batch > 1:
        scheduler = api.SchedulerConfig()
        scheduler.cache_size, scheduler.max_num_batched_tokens, scheduler.max_num_seqs = 4, 512, 64
        pipeline = api.LLMPipeline(path, "CPU", scheduler_config=scheduler, INFERENCE_NUM_THREADS=threads)
    else:
        pipeline = api.LLMPipeline(path, "CPU", INFERENCE_NUM_THREADS=threads)
    load_ms = (time.perf_counter() - started) * 1000
    if batch > 1:
        prompts = [f"Story {i}:" for i in range(batch)]
        pipeline.generate(prompts, config(4))
        begin = time.perf_counter()
        pipeline.generate(prompts, config(4))
        short = time.perf_counter() - begin
        begin = time.perf_counter()
        pipeline.generate(prompts, config(generate + 4))
        return {"decode_tps": batch * generate / (time.perf_counter() - begin - short), "load_ms": load_ms}
    # As tokens: its tokenizer cuts a text after 8,192.
    import numpy
    import openvino

    vocabulary = len(pipeline.get_tokenizer().get_vocab())

    def tokens(count):
        ids = numpy.random.default_rng(count).integers(vocabulary // 10, vocabulary * 9 // 10, (1, count))
        return api.TokenizedInputs(openvino.Tensor(ids), openvino.Tensor(numpy.ones_like(ids)))

    pipeline.generate(tokens(min(prompt, 2000) + 1), config(generate))  # the first run is slow
    metrics = pipeline.generate(tokens(prompt), config(generate)).perf_metrics
    if metrics.get_num_input_tokens() != prompt:
        raise RuntimeError(f"it read {metrics.get_num_input_tokens()} tokens")
    return {"prefill_tps": metrics.get_num_input_tokens() / metrics.get_ttft().mean * 1000,
            "decode_tps": metrics.get_throughput().mean, "load_ms": load_ms}


PEERS = {"llama.cpp": measure_llama_cpp, "openvino": measure_openvino}
FIGURES = ["prefill_tps", "decode_tps", "load_ms"]


def run_pronk(a, path):
    command = [a.pronk, "bench", path, "-p", str(a.prompt), "-n", str(a.generate), "-t", str(a.threads), "-b", str(a.batch), "--kv", a.kv, "--json"]
    return json.loads(subprocess.run(command + a.pronk_flag, check=True, capture_output=True, text=True).stdout)


def run_peer(a, name, path):
    """In a process of its own, so that no peer lives in another's memory."""
    command = [sys.executable, __file__, "--one", name, path, "-p", str(a.prompt), "-n", str(a.generate), "-t", str(a.threads), "-b", str(a.batch), "--kv", a.kv]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f"{name} could not run {path}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def compare(a, path):
    names = [n for n in a.peers.split(",") if n]
    runs = {"pronk": []} | {n: [] for n in names}
    for _ in range(a.rounds):
        runs["pronk"].append(run_pronk(a, path))
        for n in names:
            one = run_peer(a, n, path)
            if one:
                runs[n].append(one)
    return {n: {f: statistics.median(v) for f in FIGURES + ["prefill_percent_of_limit", "decode_percent_of_limit"]
                if (v := [r[f] for r in rs if r.get(f)])} for n, rs in runs.items() if rs}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("models", nargs="+")
    p.add_argument("--pronk", default="build/release/pronk")
    p.add_argument("--pronk-flag", action="append", default=[], help="one more argument for `pronk bench`")
    p.add_argument("-p", "--prompt", type=int, default=512)
    p.add_argument("-n", "--generate", type=int, default=64)
    p.add_argument("-t", "--threads", type=int, default=2)
    p.add_argument("-b", "--batch", type=int, default=1)
    p.add_argument("--kv", choices=["bf16", "int8"], default="bf16", help="type of the cache")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--peers", default="llama.cpp,openvino")
    p.add_argument("--json", action="store_true")
    p.add_argument("--one", choices=PEERS, help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.one:
        print(json.dumps(PEERS[a.one](a.models[0], a.prompt, a.generate, a.threads, a.batch, a.kv)))
        return
    if not a.json:
        print(f"{a.prompt} tokens read, {a.generate} written, {a.threads} threads, {a.batch} together, {a.kv} cache; medians of {a.rounds} rounds taking turns\n")
        print("| model | program | prefill tokens/s | decode tokens/s | pronk's prefill / its | pronk's decode / its |\n|---|---|---|---|---|---|")
    for path in a.models:
        result = compare(a, path)
        if a.json:
            print(json.dumps({"model": path, **result}), flush=True)
            continue
        ours = result["pronk"]
        for name, figures in result.items():
            ratio = lambda f: f"{ours[f] / figures[f]:.2f}" if name != "pronk" and f in figures and f in ours else ""
            cell = lambda f: f"{figures[f]:.1f}" if f in figures else "-"
            print(f"| {pathlib.Path(path).name} | {name} | {cell('prefill_tps')} | {cell('decode_tps')} | {ratio('prefill_tps')} | {ratio('decode_tps')} |", flush=True)


if __name__ == "__main__":
    main()
