"""Llama as plain PyTorch, one function per equation: what pronk's goldens come from.

Weights are a dictionary by Hugging Face name (rows of q_proj and k_proj in Hugging Face's order, halves). Shapes: T tokens,
D model_dim, H query heads, G kv heads, K head_dim, F ffn_dim, V vocab. No cache: a step reads the whole sequence again.
"""
import dataclasses
import json
import math
import pathlib

import torch


@dataclasses.dataclass
class Config:
    num_layers: int
    model_dim: int
    ffn_dim: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    vocab_size: int
    norm_eps: float
    rope_theta: float
    max_context: int
    rope_scaling: dict | None = None  # Hugging Face's: {"rope_type": "llama3", "factor": 8.0, ...}
    tied_output: bool = True

    def to_hugging_face(self):
        """config.json's content."""
        config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "torch_dtype": "float32",
                  "num_hidden_layers": self.num_layers, "hidden_size": self.model_dim, "intermediate_size": self.ffn_dim,
                  "num_attention_heads": self.num_heads, "num_key_value_heads": self.num_kv_heads, "head_dim": self.head_dim,
                  "vocab_size": self.vocab_size, "rms_norm_eps": self.norm_eps, "rope_theta": self.rope_theta,
                  "max_position_embeddings": self.max_context, "tie_word_embeddings": self.tied_output,
                  "attention_bias": False, "mlp_bias": False}
        return config | ({"rope_scaling": self.rope_scaling} if self.rope_scaling else {})


def tensor_shapes(c):
    """Every tensor of the model with its shape, by Hugging Face name."""
    shapes = {"model.embed_tokens.weight": (c.vocab_size, c.model_dim), "model.norm.weight": (c.model_dim,)}
    for i in range(c.num_layers):
        layer = f"model.layers.{i}."
        shapes |= {layer + "input_layernorm.weight": (c.model_dim,),
                   layer + "self_attn.q_proj.weight": (c.num_heads * c.head_dim, c.model_dim),
                   layer + "self_attn.k_proj.weight": (c.num_kv_heads * c.head_dim, c.model_dim),
                   layer + "self_attn.v_proj.weight": (c.num_kv_heads * c.head_dim, c.model_dim),
                   layer + "self_attn.o_proj.weight": (c.model_dim, c.num_heads * c.head_dim),
                   layer + "post_attention_layernorm.weight": (c.model_dim,),
                   layer + "mlp.gate_proj.weight": (c.ffn_dim, c.model_dim),
                   layer + "mlp.up_proj.weight": (c.ffn_dim, c.model_dim),
                   layer + "mlp.down_proj.weight": (c.model_dim, c.ffn_dim)}
    return shapes if c.tied_output else shapes | {"lm_head.weight": (c.vocab_size, c.model_dim)}


def random_weights(c, seed, std=0.02):
    """Normal matrices, norms near one."""
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator) * std + (1 if len(shape) == 1 else 0)
            for name, shape in tensor_shapes(c).items()}


def rope_frequencies(c):
    """theta^(-2i/K) for i < K/2, changed by the scaling; float32, as in the code that the models were released with."""
    frequencies = 1 / (c.rope_theta ** (torch.arange(0, c.head_dim, 2, dtype=torch.float32) / c.head_dim))
    scaling = c.rope_scaling or {}
    kind = scaling.get("rope_type", "default")
    if kind == "default":
        return frequencies
    if kind == "linear":
        return frequencies / scaling["factor"]
    if kind != "llama3":
        raise ValueError(f"rope scaling '{kind}' is not built here")
    turns = scaling["original_max_position_embeddings"] * frequencies / (2 * math.pi)  # in the original context
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    keep = ((turns - low) / (high - low)).clamp(0, 1)  # 1: as it is; 0: divided by factor
    return keep * frequencies + (1 - keep) * frequencies / scaling["factor"]


def rms_norm(x, weight, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


def rope(x, angles):
    """x [T, heads, K] with pairs (i, i + K/2); angles [T, K/2]."""
    cos, sin = angles.cos().to(x.dtype)[:, None], angles.sin().to(x.dtype)[:, None]
    first, second = x.chunk(2, -1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


def attend(q, k, v):
    """softmax(q kᵀ / √K + causal mask) v; q [T, H, K], k and v [T, G, K] -> [T, H·K]."""
    group = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    scores = torch.einsum("thk,shk->hts", q, k) / math.sqrt(q.shape[-1])
    mask = torch.full(scores.shape[1:], float("-inf"), dtype=q.dtype).triu(1)
    return torch.einsum("hts,shk->thk", (scores + mask).softmax(-1), v).flatten(1)


def forward(c, w, tokens, trace=lambda name, value: None):
    """Logits [T, V] of one sequence. `trace` sees every value by the name that pronk's TraceOps gives it."""
    def linear(x, name):
        y = x @ w[name + ".weight"].T
        trace(name, y)
        return y

    def norm(x, name):
        y = rms_norm(x, w[name + ".weight"], c.norm_eps)
        trace(name, y)
        return y

    def traced(name, y):
        trace(name, y)
        return y

    angles = torch.arange(len(tokens), dtype=torch.float32)[:, None] * rope_frequencies(c)
    x = traced("model.embed_tokens", w["model.embed_tokens.weight"][tokens])
    for i in range(c.num_layers):
        layer = f"model.layers.{i}."
        n = norm(x, layer + "input_layernorm")
        q = linear(n, layer + "self_attn.q_proj").unflatten(1, (c.num_heads, c.head_dim))
        k = linear(n, layer + "self_attn.k_proj").unflatten(1, (c.num_kv_heads, c.head_dim))
        v = linear(n, layer + "self_attn.v_proj").unflatten(1, (c.num_kv_heads, c.head_dim))
        q, k = rope(q, angles), rope(k, angles)
        trace(layer + "self_attn.q_proj.rope", q.flatten(1))
        trace(layer + "self_attn.k_proj.rope", k.flatten(1))
        y = traced(layer + "self_attn.attend", attend(q, k, v))
        x = traced(layer + "add_0", x + linear(y, layer + "self_attn.o_proj"))
        n = norm(x, layer + "post_attention_layernorm")
        gate, up = linear(n, layer + "mlp.gate_proj"), linear(n, layer + "mlp.up_proj")
        y = traced(layer + "mlp.swiglu", torch.nn.functional.silu(gate) * up)
        x = traced(layer + "add_1", x + linear(y, layer + "mlp.down_proj"))
    x = norm(traced("select_rows", x), "model.norm")
    return traced("lm_head", x @ w["model.embed_tokens.weight" if c.tied_output else "lm_head.weight"].T)


@torch.no_grad()
def generate(c, w, tokens, count):
    """The `count` greedy tokens that follow."""
    tokens = list(tokens)
    for _ in range(count):
        tokens.append(int(forward(c, w, torch.tensor(tokens))[-1].argmax()))
    return tokens[-count:]


def config_from_hugging_face(j):
    heads = j["num_attention_heads"]
    return Config(num_layers=j["num_hidden_layers"], model_dim=j["hidden_size"], ffn_dim=j["intermediate_size"], num_heads=heads,
                  num_kv_heads=j.get("num_key_value_heads", heads), head_dim=j.get("head_dim") or j["hidden_size"] // heads,
                  vocab_size=j["vocab_size"], norm_eps=j["rms_norm_eps"], rope_theta=j["rope_theta"],
                  max_context=j["max_position_embeddings"], rope_scaling=j.get("rope_scaling"),
                  tied_output=j.get("tie_word_embeddings", False))


def load_hugging_face(folder):
    """(Config, weights) of a folder with config.json and safetensors files."""
    from safetensors.torch import load_file
    folder = pathlib.Path(folder)
    weights = {}
    for path in sorted(folder.glob("*.safetensors")):
        weights |= load_file(path)
    return config_from_hugging_face(json.loads((folder / "config.json").read_text())), {n: t.float() for n, t in weights.items()}


GGUF_NAMES = {"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
              "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate",
              "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}


def gguf_name(name):
    """model.layers.3.mlp.up_proj.weight -> blk.3.ffn_up.weight"""
    fixed = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
             "lm_head.weight": "output.weight"}
    if name in fixed:
        return fixed[name]
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{GGUF_NAMES[rest.removesuffix('.weight')]}.weight"


def interleave(weight, heads):
    """Rows from Hugging Face's order (halves) to GGUF's (pairs)."""
    return weight.unflatten(0, (heads, 2, -1)).transpose(1, 2).flatten(0, 2)


def halves(weight, heads):
    """Rows from GGUF's order (pairs) to Hugging Face's (halves)."""
    return weight.unflatten(0, (heads, -1, 2)).transpose(1, 2).flatten(0, 2)


def load_gguf(path):
    """(Config, weights) of a GGUF file, every block dequantized by the `gguf` package."""
    import gguf
    reader = gguf.GGUFReader(path)
    def field(key, default=None):
        found = reader.fields.get("llama." + key)
        return found.contents() if found else default
    stored = {t.name: torch.from_numpy(gguf.dequantize(t.data, t.tensor_type).copy()) for t in reader.tensors}
    heads = field("attention.head_count")
    c = Config(num_layers=field("block_count"), model_dim=field("embedding_length"), ffn_dim=field("feed_forward_length"),
               num_heads=heads, num_kv_heads=field("attention.head_count_kv", heads),
               head_dim=field("attention.key_length", field("embedding_length") // heads),
               vocab_size=len(stored["token_embd.weight"]), norm_eps=field("attention.layer_norm_rms_epsilon"),
               rope_theta=field("rope.freq_base", 10000.0), max_context=field("context_length"),
               tied_output="output.weight" not in stored)
    weights = {name: stored[gguf_name(name)].float() for name in tensor_shapes(c)}
    for name in weights:
        if "q_proj" in name:
            weights[name] = halves(weights[name], c.num_heads)
        if "k_proj" in name:
            weights[name] = halves(weights[name], c.num_kv_heads)
    return c, weights
