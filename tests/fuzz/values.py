"""Values that an option, a key or a field does not expect."""

from __future__ import annotations

from typing import Any

from fuzz.harness import CANARY
from fuzz.workshop import ODD
from hypothesis import strategies as st

#: What people type by mistake, and what they type to see what happens.
TEXTS = (
    *("", " ", "0", "1", "-1", "2", "1.5", "-0.5", "1e9", "1e400", "nan", "inf", "-inf", "100000", "9" * 400, "0x10"),
    *("true", "null", "none", "auto", "[]", "{}", "[1,2]", "{a: 1}", "a,b", "4,4", "0,0", "-4,4", "[", "{", "'", '"'),
    *("../..", "/", ".", "~", "no/such", "photos", "tiny", "model.onnx", "photos/ant/0.png", "tiny/config.yaml"),
    *("tiny/checkpoints/best.ckpt", "lenet5", "folder", "digits", "Adam", "SGD", "StepLR", "cross_entropy", "mse"),
    *("é", "日本", "\u202e", "\x1b[31m", "\x00", "\udcff", "a\nb", "%s", "{0}", "${x}", "*", "&a", "- a", "@odd/bytes"),
    *("!!python/object:os.system", f"{CANARY}.py", "torch.nn.Linear", "os.system", "a" * 5000, "-", "--", "=", "x=y"),
    *("DEFAULT", "http://127.0.0.1:1/x", "file:///etc/passwd", "s3://x", *ODD),
)

texts = st.one_of(
    st.sampled_from(TEXTS),
    st.sampled_from(TEXTS),
    st.integers(-(2**70), 2**70).map(str),
    st.floats(allow_subnormal=False).map(str),
    st.text(st.characters(codec="utf-8"), max_size=12),
)

#: Scalars as a file holds them.
scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from((0, 1, -1, 2, 3, 10**9, -(10**9), 2**63, 2**200, 0.0, 0.5, -0.5, 1e308, 1e-300)),
    st.floats(allow_subnormal=False),
    st.integers(),
    texts.filter(lambda text: "\udcff" not in text),
)

#: Class paths and names of a stranger's code.
FOREIGN: tuple[Any, ...] = (
    *(f"{CANARY}.Thing", f"{CANARY}:build", f"{CANARY}.py", f"{CANARY}.py:build", f"x==1:{CANARY}"),
    *({"class_path": f"{CANARY}.Thing"}, {"class_path": f"{CANARY}.Thing", "init_args": {"a": 1}}),
    *([{"class_path": f"{CANARY}.Thing"}], {"name": f"{CANARY}.Thing"}, {"name": f"{CANARY}:build"}),
    *({"name": f"{CANARY}:build", "from": f"{CANARY}==1.0"}, {"_class_path": f"{CANARY}.Thing"}),
    *({"class_path": "os.system", "init_args": {"command": "true"}}, {"class_path": "subprocess.Popen"}),
)

values: st.SearchStrategy[Any] = st.one_of(
    scalars,
    scalars,
    st.sampled_from(FOREIGN),
    st.lists(scalars, max_size=3),
    st.dictionaries(st.sampled_from(("name", "lr", "a", "class_path", "init_args", "")), scalars, max_size=3),
)


@st.composite
def weighted(draw: st.DrawFn, often: st.SearchStrategy[Any], rarely: st.SearchStrategy[Any], share: int = 10) -> Any:
    """Return a value of the first strategy, one time in ``share`` of the second."""
    return draw(rarely if draw(st.sampled_from(range(share))) == share - 1 else often)


@st.composite
def typos(draw: st.DrawFn, word: str) -> str:
    """Return a word with a sign missing, twice, exchanged or replaced."""
    place = draw(st.integers(0, max(0, len(word) - 1)))
    sign = word[place : place + 1]
    return word[:place] + draw(st.sampled_from(("", sign * 2, "x", "_", "-", ".", sign.upper()))) + word[place + 1 :]


def paths_in(tree: Any) -> list[tuple[Any, ...]]:
    """Return the path of each value in nested mappings and lists, of the tree itself, too."""
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list | tuple) else ()
    return [(), *((key, *rest) for key, value in pairs for rest in paths_in(value))]


def replaced(tree: Any, path: tuple[Any, ...], change: Any) -> Any:
    """Return a copy of a tree in which ``change`` has turned the value at a path into another; None drops the key."""
    if not path:
        return change(tree)
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    value = replaced(tree[path[0]], path[1:], change)
    if value is MISSING:
        copy.pop(path[0])
    else:
        copy[path[0]] = value
    return copy if isinstance(tree, (dict, list)) else tuple(copy)


#: What a change returns in place of a value that is to be missing.
MISSING = object()


@st.composite
def damaged(draw: st.DrawFn, content: bytes, head: int = 64) -> bytes:
    """Return the bytes of a file with some of them changed, most of them in its first ``head``, or cut off."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        if not data:
            break
        last = len(data) - 1
        place = draw(st.one_of(st.integers(0, min(head, last)), st.integers(0, last)))
        way = draw(st.sampled_from(("bit", "byte", "cut", "number", "insert", "remove", "repeat")))
        if way == "bit":
            data[place] ^= 1 << draw(st.integers(0, 7))
        elif way == "byte":
            data[place] = draw(st.sampled_from((0, 1, 0x7F, 0x80, 0xFF)))
        elif way == "cut":
            del data[place:]
        elif way == "number":
            number = draw(st.sampled_from((0, 1, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1)))
            data[place : place + 4] = number.to_bytes(4, draw(st.sampled_from(("little", "big"))))
        elif way == "insert":
            data[place:place] = draw(st.binary(min_size=1, max_size=8))
        elif way == "remove":
            del data[place : place + draw(st.integers(1, 16))]
        else:
            data[place:place] = data[place : place + draw(st.integers(1, 64))]
    return bytes(data)
