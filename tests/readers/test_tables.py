"""Parquet and Arrow: columns of numbers, columns of lists, damaged files."""

import base64
import io
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet
import pytest

from softmax_cli.errors import InputError
from tests.readers.reading import Piped, command
from tests.readers.samples import IDS, LOGITS, TABLE_WRITERS, parquet


@pytest.mark.parametrize("name", TABLE_WRITERS)
def test_tables(given_input: Piped, name: str) -> None:
    table = pa.table({"who": IDS, "cat": LOGITS[:, 0], "dog": LOGITS[:, 1], "eel": LOGITS[:, 2], "label": [0, 1, 2, 0]})
    data = TABLE_WRITERS[name](table)
    for read in (given_input.file(f"x.{name}", data), given_input.pipe(data), given_input.file("x", data)):
        assert read.logits.tolist() == LOGITS.tolist()
        assert read.ids == IDS
        assert (read.rows, read.source.total_rows) == ([0, 1, 2, 3], 4)
        assert list(read.source.class_names or ()) == ["cat", "dog", "eel"]
        assert len(read.source.notes) == 2
        assert "'who' was taken as the row's id" in read.source.notes[0]
        assert "'label' was taken as the target" in read.source.notes[1]
    read = given_input.file(f"x.{name}", data, axis=0)
    assert read.logits.tolist() == LOGITS.T.tolist()
    assert list(read.source.class_names or ()) == IDS
    assert read.ids == ["cat", "dog", "eel"]


@pytest.mark.parametrize("name", TABLE_WRITERS)
@pytest.mark.parametrize("size", [-1, 3])
@pytest.mark.parametrize("element", ["float", "double", "int16"])
def test_tables_of_lists(given_input: Piped, name: str, size: int, element: str) -> None:
    kind = {"float": pa.float32(), "double": pa.float64(), "int16": pa.int16()}[element]
    values = LOGITS.astype(np.dtype(kind.to_pandas_dtype()))
    table = pa.table({"id": [7, 8, 9, 10], "any": pa.array(values.tolist(), pa.list_(kind, size)), "x": [0.5] * 4})
    data = TABLE_WRITERS[name](table)
    for read in (given_input.file(f"x.{name}", data), given_input.pipe(data)):
        assert read.logits.tolist() == values.tolist()
        assert read.dtypes == {np.dtype(np.float32 if element == "float" else np.float64)}
        assert read.ids == ["7", "8", "9", "10"]
        assert read.source.class_names is None
        assert read.source.classes == 3
    assert given_input.file(f"x.{name}", data, axis=-2).logits.tolist() == values.T.tolist()


@pytest.mark.parametrize(
    "kind", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"]
)
def test_tables_of_every_number(given_input: Piped, kind: str) -> None:
    columns = {name: pa.array([1, 2, 100], getattr(pa, kind)()) for name in ("a", "b")}
    read = given_input.file("x.parquet", parquet(pa.table(columns)))
    assert read.logits.tolist() == [[1, 1], [2, 2], [100, 100]]
    assert read.dtypes == {np.dtype(np.float32 if kind in ("float16", "float32") else np.float64)}


def test_tables_by_option(given_input: Piped) -> None:
    data = parquet(pa.table({"a": [1.0], "b": [2.0], "c": [[3.0, 4.0]], "logits": [[5.0]], "d": [7]}))
    assert given_input.file("x.parquet", data).logits.tolist() == [[5]]
    assert given_input.file("x.parquet", data, array="c").logits.tolist() == [[3, 4]]
    read = given_input.file("x.parquet", data, columns="[ab]", id_column="d")
    assert (read.logits.tolist(), read.ids) == ([[1, 2]], ["7"])


def test_tables_without_rows(given_input: Piped) -> None:
    read = given_input.file(
        "x.parquet", parquet(pa.table({"a": pa.array([], pa.float32()), "b": pa.array([], pa.float32())}))
    )
    assert (read.rows, read.source.classes, read.source.total_rows) == ([], 2, 0)


def test_a_table_in_small_batches(given_input: Piped, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("softmax_cli.sources.frames.BATCH_BYTES", 4096)
    values = np.arange(30_000.0).reshape(-1, 3)
    buffer = io.BytesIO()
    table = pa.table({"id": [str(row) for row in range(len(values))], **{f"c{k}": values[:, k] for k in range(3)}})
    pyarrow.parquet.write_table(table, buffer, row_group_size=777)
    read = given_input.file("x.parquet", buffer.getvalue())
    assert max(read.sizes) <= 4096 // 24
    assert read.rows == list(range(10_000))
    assert read.ids == [str(row) for row in range(10_000)]
    np.testing.assert_array_equal(read.logits, values)


# Damaged in a way that makes a thread of the library panic.
SILENT_LOSS = """
c-oDW&u<bz6vrRS52@V)n9OF^aNuA!n6#B2g*K)Lv;5K&6flO65EFug(x6bPMLBu&=&?yXc+;clUD=cA(WLk4kw2gZkG>gLpt?dQ%&#}^eLrvB
?vkg)0I`u4xt}E>fg1o3uN?ro?Vi`~UV;GjAoh@Z>DGpE5GFt*a&whriHkUh!xI6Yogc{dQJ@<=mwf_`qQz=`_gz4SpKKTmxdQN3|9PS6{j=ji
LJHnnE}zCeZARmUvN%?jZOkg$n7;(RncZT>*4L&kow)R~<EMj@_x9L_^NU!!|Ja1Vtg?;!BV)Q-%s^iqb(#JEIWgqLG17#=tenId)7@eQ-dV@`
usVIidd0AAajbv|gIRgSIAgjqV<@dK$c}^BZvA<cTn8eq2(r+8wgOoXx)CSa*8IjIU@U^hA_S7Cc$A6?9wI7XaJUo}PXtMnh8F46qPA40*_)xP
;st>SfP)LCZE0I^C@P4EWnxZ4tmfxpIv4vWs6Q<8Ux$B$Z=1^oW@Lv}^~gH^4Y;aoa7OlvUHxU7|In{08=8^*?NC22c+UTqm4??OQFY=3ibob{
vG}NTcl7+_BkLX3-ZV5yX@QQ~4y8S+HE5dB22C`$O+$wqTO=rbzzx$G+Y{_be%@q5y2r-e<UGBHkS$!Kk|}QFs1%(vCZ+A=Fk<%*U0GxyL0M{C
;`IbF=FxE~l$QG#yR&KN)BU^=pW~1;cP&h#*nKiNR7{p8`VW(T<<~RMZ?wrU5v)&Ue5kRc(%h-cLUZF_1FC67K9|k%ua*itKkX7P8U@+gsdo2Y
)nBgFI-Rv@mwiTu_3lBl{lXiJtozpkN(H~z*&m!+0rL3I{s&XlH*x
"""

# A page header with a negative number of values: the library would allocate for 2**61 and end the process.
ABORTS = """
c-nnaL1+_E5S`uZZUWsyEBwzc1Po%A2x+^irY2IG{Tq_BG{H0~wME2OLky%%OwtD8rN`pQv-QxMh!-h%tl5i2JldNF_28kWo_Y}!oWGkk6~zxb
e`a>(z4vGT7FaP#BvK>A98n3J0|>vJ_!XLx1$ZL^K(pQnnbFD1S5AVMB*~T|>|gK`Ae4k7Bt?daLX_YXgk`rvb2oEj1o~)0O8_DUs^If&?Tg6g
2;`HHBj$kdzTm@(O((urb?V)l&daOUov+7+LwARr7hjHhLrWie-GlAk!S=o0?lZZUqLc6NnL$5^xg@?zVoefjlh|WnuZ0*EVp)i3A-08zXGkG}
w4P#3;#t=^6vAhsf%fx105ApqqoX5!2Gb||LtE@=BK+$8^C#xVxz~F{((lGVQ(7yJ%Bv+J0Z~UqO{_i~g<KF@Vxp$h>XmA{MMR?Hrg=)zq*}Gr
CL)jk7W>P!@@jdl4OG>Gdc=SrQS}%o!#c+yDpl#BK)(sbh7tJJp!En26*wB;*+iJ8)4HM?pduFs3wU7hz7CiBgcH$C`ctGkKI5~`I28UrmcN)T
8R|tn!zY6e{Vq|}2+&O#^q{7)V)4e}HE%B3jyS<rg7LM$yfx2QhuIaDVXVSZ6*p(wjODqLVr<S$40h(Zws{)Q-$KwhI_Z4IO?J3VpR(94RhF9v
*~D7uPO*!~D_n|MK*P%y@@~=WAJY2x*_ye$$my22o-E(JmF6V3xo*@y%g^C9+b7-Wj4Q&f4D<~2H<ms8^jSX8LXA@M@p`#Ew$f;fm74tXZj_s?
YJDv<IW=yMNA(EaD1NEd@iG?h=lu<K%IM$
"""


def unpack(text: str) -> bytes:
    return zlib.decompress(base64.b85decode("".join(text.split())))


def test_a_damaged_table_never_loses_rows_silently(given_input: Piped) -> None:
    with pytest.raises(InputError) as caught:
        given_input.file("x.parquet", unpack(SILENT_LOSS))
    assert caught.value.slug == "bad-columnar"


def test_a_damaged_table_never_aborts(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(unpack(ABORTS))
    done = command(["x.parquet", "-f", "csv"], b"", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(b"softmax: error[bad-columnar]: x.parquet: ")


def test_a_damaged_table_of_any_columns_never_aborts(tmp_path: Path) -> None:
    """Texts and features go through the same checks; in a child, as a failure would end the process."""
    (tmp_path / "x.parquet").write_bytes(unpack(ABORTS))
    code = (
        "import sys\n"
        "from softmax_cli.errors import InputError\n"
        "from softmax_cli.sources.frames import exactly\n"
        "from softmax_cli.sources.scans import open_scan\n"
        "from softmax_cli.sources.stream import Input\n"
        "try:\n"
        "    scan = open_scan(Input('x.parquet'), 'Parquet')\n"
        "    list(scan.frames([exactly(*scan.schema)], list(scan.schema)))\n"
        "except InputError as error:\n"
        "    sys.exit(error.slug)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr.decode().strip()) == (1, "bad-columnar")
