"""Label files that can't be read, or don't fit."""

from tests.bad_input.case import Case


def label_case(name: str, file: str, data: bytes | None, slug: str, text: str = "", hint: str = "") -> Case:
    files = {} if data is None else {file: data}
    return Case(
        f"labels: {name}",
        "x.csv",
        b"1,2,3\n4,5,6\n",
        slug,
        text,
        ["--labels", f"{{dir}}/{file}"],
        files,
        hint=hint,
    )


LABELS = [
    label_case("one too many", "n.txt", b"a\nb\nc\nd\n", "label-count", "4 labels in", hint="one label too many"),
    label_case("one too few", "n.txt", b"a\nb\n", "label-count", "but 3 classes", hint="one label too few"),
    label_case("a blank last line", "n.txt", b"a\nb\nc\n\n", "label-count", hint="trailing blank line"),
    label_case("a last line of spaces", "n.txt", b"a\r\nb\r\nc\r\n \r\n", "label-count", hint="trailing blank line"),
    label_case(
        "many too many", "n.txt", b"x\n" * 1000, "label-count", "1,000 labels in", hint="of the model that made"
    ),
    label_case("no such file", "n.txt", None, "not-found", "n.txt: no such label file"),
    label_case("a directory", "", None, "unreadable"),
    label_case("nothing", "n.txt", b"", "bad-labels", "no names"),
    label_case("nothing in JSON", "n.json", b"[]", "bad-labels", "no names"),
    label_case("an empty object", "n.json", b"{}", "bad-labels", "no names"),
    label_case("nothing in a table", "n.csv", b"", "bad-labels", "no names"),
    label_case("UTF-16", "n.txt", "a\nb\nc\n".encode("utf-16"), "bad-encoding", "UTF-16"),
    label_case("Latin-1", "n.txt", b"a\ncaf\xe9\nc\n", "bad-encoding", "n.txt:2: byte 0xe9"),
    label_case("not JSON", "n.json", b"[", "bad-json", "n.json:1: "),
    label_case("a duplicate key", "n.json", b'{"0": "a", "0": "b", "1": "c"}', "duplicate-key"),
    label_case("nested deeply", "n.json", b"[" * 100_000, "too-deep"),
    label_case("a number", "n.json", b"3", "bad-labels", "the number 3"),
    label_case("a text", "n.json", b'"a"', "bad-labels", "the text 'a'"),
    label_case("null", "n.json", b'["a", null, "c"]', "bad-labels", "null among the names"),
    label_case("true", "n.json", b'["a", true, "c"]', "bad-labels", "true among the names"),
    label_case("a list", "n.json", b'["a", ["b"], "c"]', "bad-labels", "a list among the names"),
    label_case("an object of words", "n.json", b'{"a": "x", "b": "y"}', "bad-labels", "'a'"),
    label_case("a negative index", "n.json", b'{"-1": "x", "0": "y", "1": "z"}', "bad-labels", "'-1'"),
    label_case("index twice", "n.json", b'{"0": "a", "1": "b", "01": "c"}', "bad-labels", "class index 1 stands twice"),
    label_case("index missing", "n.json", b'{"0": "a", "1": "b", "3": "c"}', "bad-labels", "class index 2 is missing"),
    label_case(
        "counted from 1",
        "n.json",
        b'{"id2label": {"1": "a", "2": "b", "3": "c"}}',
        "bad-labels",
        "class index 0 is missing",
    ),
    label_case(
        "ids twice", "n.json", b'{"label2id": {"a": 0, "b": 0, "c": 1}}', "bad-labels", "class index 0 stands twice"
    ),
    label_case(
        "an index of 5,000 digits",
        "n.json",
        b'{"' + b"9" * 5000 + b'": "a"}',
        "bad-labels",
    ),
    label_case(
        "a table's index of 5,000 digits",
        "n.csv",
        b"9" * 5000 + b",a\n",
        "bad-labels",
    ),
    label_case(
        "a lone surrogate",
        "n.json",
        b'["a", "\\ud800", "c"]',
        "bad-encoding",
        "n.json",
    ),
    label_case(
        "a table of names alone", "n.csv", b"a\nb\nc\n", "bad-labels", "'b' isn't an index and a name", hint=".txt"
    ),
    label_case("a table with words for indices", "n.csv", b"0,a\nx,b\n", "bad-labels", "'x,b'"),
    label_case("a table with an index twice", "n.csv", b"0,a\n1,b\n1,c\n", "bad-labels", "class index 1 stands twice"),
    label_case(
        "a table with an index missing", "n.tsv", b"0\ta\n1\tb\n3\tc\n", "bad-labels", "class index 2 is missing"
    ),
    label_case("an unclosed quote", "n.csv", b'0,"a\n1,b\n', "bad-labels", "not a table"),
]
