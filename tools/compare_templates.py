#!/usr/bin/env python3
"""Renders chat templates with pronk and with Jinja2 under Hugging Face's settings, and compares.

    compare_templates.py PRONK [--shared ../shared] [--gguf MODEL.gguf] [--random N] [--seed S]

Both must write the same bytes, or both must refuse. Published templates meet many conversations;
random templates (a grammar's) meet random values. Needs transformers (its own compile function is
the oracle), and gguf for --gguf.
"""

import argparse
import itertools
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import jinja2
from transformers.utils.chat_template_utils import _compile_jinja_template

LLAMA2 = (
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
    "{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}"
    "{% set system_message = false %}{% endif %}{% for message in loop_messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}"
    "{% endif %}{% if loop.index0 == 0 and system_message != false %}"
    "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' ' + content.strip() + ' ' + eos_token }}"
    "{% endif %}{% endfor %}"
)
CHATML = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
    "{% endif %}"
)


class Comparison:
    def __init__(self, program):
        self.program = program
        self.file = pathlib.Path(tempfile.mkdtemp()) / "template.jinja"
        self.current = None
        self.cases = self.raised = self.different = 0

    def oracle(self, template, variables):
        try:
            text = _compile_jinja_template(template).render(**variables)
            return text.encode()
        except RecursionError:
            return "skip"
        except Exception as e:  # whatever a template raises
            return e

    def ours(self, template, variables):
        if template != self.current:
            self.file.write_bytes(template.encode())
            self.current = template
        run = subprocess.run(
            [self.program, "template", str(self.file), "--json"],
            input=json.dumps(variables).encode(), capture_output=True, timeout=60)
        if run.returncode < 0 or run.returncode > 7:
            raise SystemExit(f"crashed with {run.returncode} on {template!r} {variables!r}")
        return run.stdout if run.returncode == 0 else RuntimeError(run.stderr.decode().strip())

    def check(self, name, template, variables):
        # Both sides see what JSON can carry.
        variables = json.loads(json.dumps(variables))
        theirs = self.oracle(template, variables)
        if theirs == "skip" or (isinstance(theirs, bytes) and b" at 0x" in theirs):
            return
        ours = self.ours(template, variables)
        self.cases += 1
        both_raise = isinstance(theirs, Exception) and isinstance(ours, Exception)
        self.raised += both_raise
        if isinstance(theirs, jinja2.exceptions.TemplateError) and type(
                theirs) is jinja2.exceptions.TemplateError and both_raise:
            both_raise = str(theirs) in str(ours)  # raise_exception's own message
        if both_raise or theirs == ours:
            return
        self.different += 1
        if self.different <= 20:
            print(f"DIFFERENT {name}\n  template  {template!r}\n  variables {json.dumps(variables)}"
                  f"\n  jinja2    {theirs!r}\n  pronk     {ours!r}")


TEXTS = [
    "Hello!", "", "  padded \n", "中文 and emoji 🤗", "{{ messages }} {% if x %} {# no #}",
    "<|eot_id|><|start_header_id|>system<|end_header_id|>\n\n", "<|im_end|>\n<|im_start|>system",
    "[INST] <<SYS>> </s>", "\u00a0nbsp\u2003", 'quote " and \' and \\ and \t', "line\r\nline\rline",
    "a</think>b", "\u0000\u0007control", "ß ŉ İ ΑΣ ǆ",
]
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather", "description": "The weather — in °C\n  \"now\" ",
        "parameters": {
            "type": "object", "required": ["city"],
            "properties": {
                "city": {"type": "string", "description": " The city <b>'s name "},
                "days": {"type": ["integer", "null"], "default": 3, "minimum": -1.5e-07},
                "tags": {"type": "array", "items": {"type": "string"}},
                "more": {"type": "object", "additionalProperties": {"type": "number"}},
                "flag": {"type": "boolean", "default": None, "enum": [True, False]},
            },
        },
        "return": {"type": "string", "description": "text"},
    },
}
FLAT_TOOL = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}


def tool_call(arguments, name="get_weather", call_id="abc"):
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def conversations(rng, count):
    """Lists of messages: sensible ones first, then all sorts."""
    user = {"role": "user", "content": "Hi"}
    call = {"role": "assistant", "content": None, "tool_calls": [tool_call({"city": "Zürich"})]}
    result = {"role": "tool", "name": "get_weather", "tool_call_id": "abc", "content": "12 °C"}
    yield [user]
    yield [{"role": "system", "content": " Be brief. "}, user]
    yield [{"role": "system", "content": "x"}]
    yield []
    yield [user, {"role": "assistant", "content": "Hello"}, {"role": "user", "content": "More"}]
    yield [user, call, result]
    yield [user, call, {**result, "content": {"celsius": 12.5, "ok": True}}, result,
           {"role": "assistant", "content": "<think>x</think> It is 12."}]
    yield [user, call, {**result, "role": "ipython", "content": ["a", {"b": None}]}]
    yield [user, {**call, "tool_calls": [tool_call({}), tool_call({"a": "b"})]}]
    yield [user, {**call, "content": "", "tool_calls": [tool_call("{\"a\": 1}")]}]
    yield [user, {"role": "assistant", "tool_calls": [tool_call({"q": "x"}, "brave_search")]}]
    yield [user, {"role": "assistant", "content": "c", "tool_calls": []}]
    yield [user, {"role": "assistant", "content": None, "tool_calls": None}]
    yield [{"role": "assistant", "content": "first"}, user]
    yield [{"role": "user", "content": [{"type": "text", "text": "part"}]}]
    yield [{"role": "user"}]
    yield [{"role": "user", "content": None}]
    yield [{"content": "no role"}]
    yield [{"role": "system", "content": None}, user]
    roles = ["system", "user", "assistant", "tool", "ipython", "nobody", None]
    contents = TEXTS + [None, 7, 1.5, True, ["x"], {"k": "v"}]
    for _ in range(count):
        messages = []
        for _ in range(rng.randrange(1, 6)):
            message = {"role": rng.choice(roles), "content": rng.choice(contents)}
            if rng.random() < 0.2:
                message["tool_calls"] = [
                    tool_call(rng.choice([{}, {"city": rng.choice(TEXTS)}, "text", {"n": 1e22}]),
                              rng.choice(["get_weather", "brave_search"]))
                    for _ in range(rng.choice([1, 1, 1, 0, 2]))]
            if rng.random() < 0.1:
                message.pop(rng.choice(["role", "content"]))
            if rng.random() < 0.1:
                message["reasoning_content"] = rng.choice(TEXTS)
            messages.append(message)
        yield messages


def settings(rng):
    variables = {"bos_token": rng.choice(["<s>", "<|begin_of_text|>"]), "eos_token": "</s>",
                 "add_generation_prompt": rng.random() < 0.5}
    choices = {
        "tools": [[TOOL], [TOOL, FLAT_TOOL], [FLAT_TOOL], None, []],
        "builtin_tools": [["brave_search", "code_interpreter"], [], ["wolfram_alpha"]],
        "custom_tools": [[TOOL]], "tools_in_user_message": [True, False],
        "date_string": ["26 Jul 2024", "1 \u5e74"], "documents": [None, []],
        "enable_thinking": [True, False],
    }
    for name, values in choices.items():
        if rng.random() < 0.3:
            variables[name] = rng.choice(values)
    return variables


def compare_published(comparison, templates, rng, count):
    for name, template in templates.items():
        before = comparison.cases
        plain = {"bos_token": "<s>", "eos_token": "</s>"}
        for messages in conversations(rng, count):
            for prompt in (True, False):
                comparison.check(name, template,
                                 {**plain, "messages": messages, "add_generation_prompt": prompt})
            for _ in range(3):
                comparison.check(name, template, {**settings(rng), "messages": messages})
        print(f"{name}: {comparison.cases - before} conversations")


class RandomTemplate:
    """A grammar over the whole language: wrong types and undefined values included."""

    NAMES = ["a", "b", "n", "f", "s", "t", "l", "d", "m", "missing", "none_value", "x", "y", "e"]
    FILTERS = [
        "upper", "lower", "title", "capitalize", "trim", "length", "first", "last", "list", "string",
        "int", "float", "abs", "join", "join(', ')", "join('-', 'k')", "sort", "sort(reverse=true)",
        "sort(attribute='k')", "unique|list", "reverse|list", "reverse", "tojson", "tojson(indent=2)",
        "tojson(sort_keys=true)", "tojson(ensure_ascii=true)", "tojson(separators=(',', ':'))",
        "default('z')", "default('z', true)", "d(3)", "map('upper')|list", "map('length')|list",
        "map(attribute='k')|list", "map(attribute='k', default='q')|join(',')", "select|list",
        "select('string')|list", "reject('none')|list", "selectattr('k')|list", "min", "max", "sum",
        "rejectattr('k', 'equalto', 1)|list", "selectattr('k', 'defined')|list", "items|list",
        "dictsort", "dictsort(reverse=true)", "dictsort(by='value')", "batch(2)|list", "slice(2)|list",
        "batch(2, 'x')|list", "slice(3, 'x')|list", "replace('a', 'bb')", "replace('', '.')",
        "replace('l', s, 1)", "indent", "indent(2, true)", "indent(width='> ', blank=true)", "round",
        "round(1)", "round(1, 'floor')", "round(method='ceil')", "truncate(5)", "truncate(5, true, '')",
        "wordcount", "center(11)", "escape", "e", "urlencode", "format(1, 'x')", "count",
        "groupby('k')", "sum(attribute='k')", "attr('k')", "filesizeformat", "safe", "xmlattr",
        "sum(start=2)", "map('default', 'u')|list", "trim('ab ')", "reject('odd')|list",
    ]
    TESTS = [
        "defined", "undefined", "none", "string", "number", "integer", "float", "mapping", "iterable",
        "sequence", "boolean", "true", "false", "odd", "even", "divisibleby(3)", "divisibleby 2",
        "callable", "lower", "upper", "in l", "in([1, 'a'])", "eq(1)", "equalto 'a'", "ne 1", "gt(0)",
        "lt 2", "ge(1)", "sameas true", "filter", "test",
    ]
    METHODS = [
        "strip()", "lstrip()", "rstrip('o ')", "split()", "split('l')", "split(' ', 1)",
        "rsplit(None, 1)", "rsplit('l', 1)", "splitlines()", "startswith('h')", "endswith(('o', 'd'))",
        "replace('l', 'L')", "replace('l', 'L', 1)", "upper()", "lower()", "title()", "capitalize()",
        "find('l')", "rfind('l')", "index('l')", "count('l')", "join(l)", "join(['a', 'b'])", "items()",
        "keys()|list", "values()|list", "get('k')", "get('zz', 'def')", "isdigit()", "isalpha()",
        "islower()", "swapcase()", "zfill(8)", "center(9, '*')", "ljust(6) ~ '|'", "rjust(6)",
        "partition('l')", "rpartition('l')", "removeprefix('he')", "removesuffix('o')", "format(1, s)",
        "append(1)", "pop()", "copy()", "isspace()", "istitle()", "isupper()", "k", "j", "__class__",
        "_hidden", "index(1)", "update({})", "isalnum()", "expand", "find('l', 3)", "startswith('l', 2)",
        "is_integer()", "real", "count(1)",
    ]

    def __init__(self, rng):
        self.rng = rng
        self.loops = 0
        self.macros = []

    def pick(self, options):
        return self.rng.choice(options)

    def literal(self):
        r = self.rng
        return self.pick([
            lambda: str(r.randrange(0, 12)), lambda: self.pick(["0.5", "2.0", "1e20", "1e-7", "3.25"]),
            lambda: repr(self.pick(["", "a", "hello world", "A-b c", "x\ny", "é中🤗", "%s|%d", "{}:{0}",
                                    "l", "k", "<b>&'\""])),
            lambda: self.pick(["true", "false", "none", "True", "None"]),
            lambda: "[" + ", ".join(self.expr(0) for _ in range(r.randrange(4))) + "]",
            lambda: "(" + ", ".join(self.expr(0) for _ in range(r.randrange(2, 4))) + ")",
            lambda: "{" + ", ".join(f"{self.pick(['1', repr('k'), repr('j'), 's', 'none', '1.0'])}: "
                                    f"{self.expr(0)}" for _ in range(r.randrange(3))) + "}",
        ])()

    def atom(self):
        if self.loops and self.rng.random() < 0.2:
            return self.pick(["loop.index", "loop.index0", "loop.first", "loop.last", "loop.length",
                              "loop.revindex", "loop.revindex0", "loop.previtem", "loop.nextitem",
                              "loop.cycle('o', 'e')", "loop.changed(x)", "loop.depth", "x", "x"])
        if self.macros and self.rng.random() < 0.1:
            return self.pick(self.macros) + "(" + self.pick(["", "1", "s, 2", "q=l", "1, 2, 3"]) + ")"
        if self.rng.random() < 0.08:
            return self.pick(["ns.v", "range(4)", "range(1, 9, 3)", "range(5, 0, -2)|list",
                              "dict(a=1, b=s)", "namespace(z=1).z", "joiner('/')()", "range(3)[1]",
                              "strftime_now('x')", "namespace is callable"])
        return self.pick(self.NAMES) if self.rng.random() < 0.6 else self.literal()

    def expr(self, depth):
        if depth <= 0:
            return self.atom()
        sub = lambda: self.expr(depth - 1)
        r = self.rng
        return self.pick([
            self.atom, self.atom,
            lambda: f"{sub()} {self.pick(['+', '-', '*', '/', '//', '%', '**', '~', '~', '+', '+'])} {sub()}",
            lambda: f"{sub()} {self.pick(['==', '!=', '<', '<=', '>', '>=', 'in', 'not in'])} {sub()}",
            lambda: f"{sub()} {self.pick(['and', 'or'])} {sub()}",
            lambda: f"not {sub()}",
            lambda: f"-{self.atom()}",
            lambda: f"({sub()})",
            lambda: f"{self.atom()}|{self.pick(self.FILTERS)}",
            lambda: f"({sub()})|{self.pick(self.FILTERS)}",
            lambda: f"{self.atom()}|{self.pick(self.FILTERS)}|{self.pick(self.FILTERS)}",
            lambda: f"{self.atom()} is {self.pick(['', 'not '])}{self.pick(self.TESTS)}",
            lambda: f"{self.atom()}.{self.pick(self.METHODS)}",
            lambda: f"({sub()}).{self.pick(self.METHODS)}",
            lambda: f"{self.atom()}[{sub()}]",
            # Of names only: a literal that cannot be sliced is undefined to Jinja's constant folding.
            lambda: f"{self.pick(self.NAMES)}[{self.bound()}:{self.bound()}{self.pick(['', ':', ':-1', ':2', ':-2'])}]",
            lambda: f"{sub()} if {sub()} else {sub()}",
            lambda: f"{sub()} if {sub()}",
        ])()

    def bound(self):
        return self.pick(["", "", "0", "1", "2", "-1", "-2", "9", "-9", "none"])

    def space(self):
        return self.pick(["", "", " ", "\n", "  \n  ", "text ", "\n  \n", "t\n", "\t"])

    def tag(self, content):
        return (self.space() + "{%" + self.pick(["", "", "-", "-", "+"]) + " " + content + " "
                + self.pick(["", "", "-", "-", "+"]) + "%}" + self.space())

    def out(self, depth):
        return ("{{" + self.pick(["", "", "-"]) + " " + self.expr(depth) + " "
                + self.pick(["", "", "-"]) + "}}")

    def body(self, depth):
        return "".join(self.statement(depth) for _ in range(self.rng.randrange(1, 4)))

    def statement(self, depth):
        r = self.rng
        if depth <= 0:
            return self.pick([self.space, lambda: self.out(2), lambda: self.out(3)])()
        return self.pick([
            lambda: self.out(3), lambda: self.out(2), self.space,
            lambda: self.tag(f"set {self.pick(['x', 'y', 'a', 's'])} = {self.expr(2)}"),
            lambda: self.tag(f"set ns.v = {self.expr(2)}"),
            lambda: self.tag("set x, y = " + self.pick(["1, 2", "l", "s", self.expr(2)])),
            lambda: self.tag(f"set {self.pick(['y', 'z'])}{self.pick(['', ' | upper', '|trim|length'])}")
            + self.body(depth - 1) + self.tag("endset"),
            lambda: self.tag(f"if {self.expr(2)}") + self.body(depth - 1)
            + self.pick(["", self.tag(f"elif {self.expr(1)}") + self.body(depth - 1)])
            + self.pick(["", self.tag("else") + self.body(depth - 1)]) + self.tag("endif"),
            lambda: self.loop(depth), lambda: self.loop(depth), lambda: self.macro(depth),
            lambda: self.tag(f"filter {self.pick(['upper', 'trim', 'length', 'replace(s, b)|title'])}")
            + self.body(depth - 1) + self.tag("endfilter"),
            lambda: self.tag(f"with x = {self.expr(2)}, y = x") + self.body(depth - 1)
            + self.tag("endwith"),
            lambda: self.tag("generation") + self.body(depth - 1) + self.tag("endgeneration"),
            lambda: "{#" + self.pick(["", "-"]) + " note {{ x }} " + self.pick(["", "-"]) + "#}",
            lambda: self.tag("raw") + "{{ x }} {%" + self.tag("endraw"),
            lambda: self.tag("call" + self.pick(["", "(u)"]) + " wrap(" + self.pick(["", "1"]) + ")")
            + self.body(depth - 1) + self.tag("endcall"),
        ])()

    def loop(self, depth):
        head = self.pick(["x in l", "x in d", "x, y in d.items()", "x in s", "x in range(3)",
                          "x in m", "x, y in m|items", f"x in {self.expr(2)}", "x in l if x",
                          f"x in l if {self.expr(1)}", "x in l|map('string')", "x in [1, [2, 3]] recursive",
                          "(x, y) in d|dictsort", "x in missing", "x in t|select"])
        self.loops += 1
        body = self.body(depth - 1)
        if "recursive" in head:
            body += "{{ loop(x) if x is iterable and x is not string }}"
        if self.rng.random() < 0.2:
            body += self.tag(f"if {self.expr(1)}") + self.tag(self.pick(["break", "continue"])) \
                + self.tag("endif") + self.body(0)
        self.loops -= 1
        other = self.pick(["", "", self.tag("else") + self.body(0)])
        return self.tag("for " + head) + body + other + self.tag("endfor")

    def macro(self, depth):
        name = f"macro{len(self.macros)}"
        loops, self.loops = self.loops, 0
        text = self.tag(f"macro {name}({self.pick(['', 'p', 'p, q=1', 'q=s, p=q', 'caller=none'])})")
        text += self.body(depth - 1) + self.pick(
            ["", "", "{{ p }}{{ q }}", "{{ varargs }}", "{{ kwargs }}", "{{ varargs|length }}{{ kwargs }}"])
        self.loops = loops
        self.macros.append(name)
        return text + self.tag("endmacro")

    def template(self):
        prelude = ("{%- set ns = namespace(v=0) -%}{%- macro wrap(p=2) -%}<{{ caller(p) if p == 1 else "
                   "caller() }}>{%- endmacro -%}\n")
        return (prelude if self.rng.random() < 0.7 else "") + self.body(3) + self.pick(["", "\n", "\n\n"])


def random_variables(rng):
    texts = ["hello", "  Hello World ", "", "a", "é中🤗 ß", "x\ny\r\nz", "12", " 3.5 ", "<b>\"'&", "k"]
    items = [1, 2, 0, -1, 2.5, True, None, "a", "B", "", {"k": 1, "j": "v"}, {"k": 2}, [1, 2], {}]
    return {
        "a": rng.choice([1, -7, 0, 10 ** 12]), "b": rng.choice(texts), "n": rng.randrange(-3, 9),
        "f": rng.choice([0.1, 2.5, -0.0, 1e16, 123456.789, -1.5]), "s": rng.choice(texts),
        "t": rng.choice([[1, 2, 3], ["a", "B", "c"], [], [2, 1.0, True]]),
        "l": [rng.choice(items) for _ in range(rng.randrange(5))],
        "d": {rng.choice("kjxab"): rng.choice(items) for _ in range(rng.randrange(4))},
        "m": {"k": {"j": [1, {"k": "deep"}]}, "items": 3, "content": rng.choice(texts)},
        "none_value": None, "e": rng.choice([[], {}, "", True, False]),
    }


def compare_random(comparison, rng, count):
    for _ in range(count):
        comparison.check("random", RandomTemplate(rng).template(), random_variables(rng))


def write_goldens(path, rng):
    """Small cases with what Jinja2 gave (None: it raised), for the tests to hold without Python."""
    cases = []

    def add(template, variables):
        variables = json.loads(json.dumps(variables))
        expected = Comparison("").oracle(template, variables)
        if isinstance(expected, bytes) and b" at 0x" not in expected and len(expected) < 400:
            cases.append({"template": template, "variables": variables, "expected": expected.decode()})
        elif isinstance(expected, Exception):
            cases.append({"template": template, "variables": variables, "expected": None})

    for messages in itertools.islice(conversations(rng, 10), 25):
        for template in (LLAMA2, CHATML):
            add(template, {"messages": messages, "bos_token": "<s>", "eos_token": "</s>",
                           "add_generation_prompt": True})
    while len(cases) < 250:
        template = RandomTemplate(rng).template()
        if len(template) < 200:
            add(template, random_variables(rng))
    path.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pronk", help="the program, or with --goldens the file to write")
    parser.add_argument("--goldens", action="store_true")
    parser.add_argument("--shared", type=pathlib.Path, default=pathlib.Path("../shared"))
    parser.add_argument("--gguf", type=pathlib.Path)
    parser.add_argument("--conversations", type=int, default=40)
    parser.add_argument("--random", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    if args.goldens:
        return write_goldens(pathlib.Path(args.pronk), rng)
    comparison = Comparison(args.pronk)
    templates = {"llama2": LLAMA2, "chatml": CHATML}
    folder = args.shared / "data/chat/templates"
    templates.update({f.stem: f.read_text() for f in sorted(folder.glob("*.jinja"))})
    if args.gguf:
        from gguf import GGUFReader
        field = GGUFReader(args.gguf).fields["tokenizer.chat_template"]
        templates[args.gguf.name] = bytes(field.parts[field.data[0]]).decode()
    compare_published(comparison, templates, rng, args.conversations)
    cases = args.shared / "data/chat/hf_jinja_cases.json"
    for case in json.loads(cases.read_text()) if cases.exists() else []:
        if not case["needs_function"]:
            comparison.check(case["name"], case["template"], case["context"])
    compare_random(comparison, rng, args.random)
    print(f"{comparison.cases} cases, {comparison.raised} refused by both, "
          f"{comparison.different} different")
    return 1 if comparison.different else 0


if __name__ == "__main__":
    sys.exit(main())
