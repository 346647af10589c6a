"""Files that aren't there, and files of other programs."""

from tests.bad_input.case import Case
from tests.bad_input.makers import npz

FILES = [
    Case("no such file", "x.csv", None, "not-found", "x.csv: no such file"),
    Case("no such file of the second", "x.csv", None, "not-found", "x.csv: no such file", ["--input-format", "csv"]),
    Case(
        "PyTorch",
        "x.pt",
        npz([("x/data.pkl", b"\x80\x02}q\x00.")]),
        "pickle-refused",
        "could run code",
        hint="numpy.save",
    ),
    Case("PyTorch by its suffix", "x.pth", b"hello", "pickle-refused", hint="numpy.save"),
    Case("pickle", "x.pkl", b"\x80\x04]\x94.", "pickle-refused", hint="numpy.save"),
    Case("pickle by its first bytes", "x.csv", b"\x80\x05]\x94.", "pickle-refused", hint="numpy.save"),
    Case("pickle, piped", "-", b"\x80\x04]\x94.", "pickle-refused", stdin=True),
    Case("PyTorch archive by its first bytes", "x.npz", npz([("x/data.pkl", b"\x80\x02}q\x00.")]), "pickle-refused"),
    Case("an image", "x", b"\x89PNG\r\n\x1a\n" + bytes(50), "bad-encoding", "NUL"),
]
