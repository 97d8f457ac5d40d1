"""pronk as the comparisons call it: ids, logits and text through its command line."""
import json
import pathlib
import subprocess
import tempfile

import numpy


class Pronk:
    def __init__(self, program, model):
        self.program, self.model = program, model

    def call(self, *arguments, text=b""):
        return subprocess.run([self.program, *arguments], input=text, capture_output=True, check=True).stdout

    def tokenize(self, text, *flags):
        return json.loads(self.call("tokenize", self.model, "--json", *flags, text=text.encode()))

    def detokenize(self, ids):
        return self.call("detokenize", self.model, text=" ".join(map(str, ids)).encode())

    def logits(self, ids, *flags):
        """float32 [len(ids), vocabulary]"""
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "logits.npy"
            self.call("logits", self.model, "--ids", ",".join(map(str, ids)), *flags, "--out", str(out))
            return numpy.load(out)
