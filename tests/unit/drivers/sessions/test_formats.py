"""Session files of other programs that are no text, in the layouts in which they are published."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import edfio
import h5py
import numpy as np
import pytest

from drivers.sessions import SessionError, libraries, read_session
from drivers.sessions.formats.xdf import _chunk, _counted
from models.kinematics import ANGLES
from models.recording import Recording

scipy_io = import_module("scipy.io")
pytestmark = pytest.mark.case("B28", "B29")

RANDOM = np.random.default_rng(7)
EMG = RANDOM.integers(-90, 90, (400, 8))
WIDE = RANDOM.integers(-90, 90, (400, 16))
VOLTS = RANDOM.normal(0.0, 40.0, (400, 8)).astype(np.float32)


def notes(recording: Recording) -> str:
    return " | ".join(recording.meta["notes"])


def ninapro(path: Path, width: int = 16, **more: object) -> Path:
    wide = WIDE[:, :width] if width <= 16 else np.tile(WIDE, 2)[:, :width]
    restimulus = np.repeat([0, 3, 0, 7], 100)[:, None]
    content: dict[str, Any] = {
        "emg": wide.astype(np.float64),
        "acc": np.zeros((400, 3)),
        "glove": RANDOM.normal(size=(400, 22)),
        "stimulus": restimulus,
        "restimulus": restimulus,
        "repetition": restimulus,
        "rerepetition": restimulus,
        "subject": 1,
        "exercise": 2,
        **more,
    }
    scipy_io.savemat(path, {key: value for key, value in content.items() if value is not None}, do_compression=True)
    return path


def test_ninapro_db5_asks_which_of_two_myos(tmp_path: Path) -> None:
    path = ninapro(tmp_path / "S1_E2_A1.mat")
    with pytest.raises(SessionError, match=r"has 16 columns.*say which eight, as in `\?channels=1-8`"):
        read_session(path)
    recording = read_session(f"{path}?channels=9-16")
    np.testing.assert_array_equal(recording.emg, WIDE[:, 8:])
    assert (recording.rate_hz, recording.unit, recording.meta["format"]) == (200.0, "adc", "ninapro")
    assert recording.classes is not None
    assert recording.classes[[0, 150, 399]].tolist() == [0, 3, 7]
    assert "`restimulus` is the class" in notes(recording)
    assert "taken for Ninapro DB5" in notes(recording)
    assert "glove" in notes(recording)


def test_ninapro_db1_has_its_rate(tmp_path: Path) -> None:
    recording = read_session(f"{ninapro(tmp_path / 'S1_A1_E1.mat', 10, acc=None)}?channels=1-8&mode=envelope&unit=V")
    assert recording.rate_hz == 100.0


def test_matlab_files_with_a_time_a_rate_or_a_structure(tmp_path: Path) -> None:
    scipy_io.savemat(tmp_path / "a.mat", {"data": EMG, "fs": 500})
    recording = read_session(tmp_path / "a.mat")
    assert recording.rate_hz == 500.0
    np.testing.assert_array_equal(recording.emg, EMG)
    scipy_io.savemat(tmp_path / "b.mat", {"rec": {"emg": EMG.T, "time": np.arange(400) * 4.0}})
    recording = read_session(tmp_path / "b.mat")
    assert recording.rate_hz == 250.0
    assert "rows are taken for channels" in notes(recording)
    np.testing.assert_array_equal(recording.emg, EMG)


def test_two_arrays_that_can_be_the_emg_are_asked_about(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", left=EMG, right=-EMG)
    with pytest.raises(SessionError, match=r"holds 2 arrays .*`left` 400x8, `right` 400x8.*`\?part=left`"):
        read_session(tmp_path / "a.npz")
    np.testing.assert_array_equal(read_session(f"{tmp_path / 'a.npz'}?part=right").emg, -EMG)
    with pytest.raises(SessionError, match="holds no array `up`; it holds `left`"):
        read_session(f"{tmp_path / 'a.npz'}?part=up")


@pytest.mark.parametrize(
    "save", [np.save, lambda path, array: np.savez_compressed(path.with_suffix(".npz"), emg=array)]
)
def test_numpy_arrays_of_counts_are_taken_at_200_hz(tmp_path: Path, save: Callable[..., None]) -> None:
    save(tmp_path / "a.npy", EMG.astype(np.int8))
    (path,) = tmp_path.iterdir()
    recording = read_session(path)
    np.testing.assert_array_equal(recording.emg, EMG)
    assert recording.rate_hz == 200.0
    assert "the rate is not said: 200 Hz is a Myo's" in notes(recording)


def test_numpy_arrays_that_say_no_unit_and_no_rate_are_asked_about(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, VOLTS)
    with pytest.raises(SessionError, match=r"does not say the unit of its channels.*`\?unit=uV`"):
        read_session(path)
    with pytest.raises(SessionError, match=r"how many samples it has a second; say it, as in `\?rate=200`"):
        read_session(f"{path}?unit=uV")
    recording = read_session(f"{path}?unit=mV&rate=1000&scale=0.5")
    np.testing.assert_allclose(recording.emg, VOLTS * 500.0, rtol=1e-6)
    assert (recording.unit, recording.rate_hz) == ("uV", 1000.0)


def test_numpy_arrays_with_a_time_and_a_class(tmp_path: Path) -> None:
    labels = np.repeat([0, 1], 200)
    np.savez(tmp_path / "a.npz", data_myo=EMG, myo_ts=1.7e9 + np.arange(400) / 250, y=labels, fs=250)
    recording = read_session(tmp_path / "a.npz")
    assert recording.rate_hz == 250.0
    assert recording.classes is not None
    assert recording.classes.tolist() == labels.tolist()
    np.save(tmp_path / "b.npy", np.column_stack((np.arange(400) * 5, EMG, labels)))
    recording = read_session(tmp_path / "b.npy")
    assert recording.rate_hz == 200.0
    np.testing.assert_array_equal(recording.emg, EMG)
    assert "column 1 grows: taken for the time" in notes(recording)


def test_arrays_of_objects_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"emg": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(SessionError, match="holds Python objects"):
        read_session(tmp_path / "a.npy")


def emg2pose(path: Path, channels: int = 16) -> Path:
    table = np.zeros(400, dtype=[("time", "f8"), ("joint_angles", "f4", (20,)), ("emg", "f4", (channels,))])
    table["time"] = 1.6e9 + np.arange(400) / 2000
    table["joint_angles"] = np.linspace(0.1, 1.0, 20)
    table["joint_angles"][100:120] = 0
    table["emg"] = WIDE[:, :channels]
    with h5py.File(path, "w") as file:
        group = file.create_group("emg2pose")
        group.create_dataset("timeseries", data=table, compression="gzip")
        group.attrs.update(session="s1", side="left", stage="fist", sample_rate=2000, user="u", num_channels=channels)
    return path


def test_emg2pose(tmp_path: Path) -> None:
    path = emg2pose(tmp_path / "a.hdf5")
    with pytest.raises(SessionError, match=r"is of emg2pose, with 16 channels.*`\?channels=1,3,5,7,9,11,13,15`"):
        read_session(path)
    recording = read_session(f"{path}?channels=1,3,5,7,9,11,13,15")
    np.testing.assert_array_equal(recording.emg, WIDE[:, ::2])
    assert (recording.rate_hz, recording.hand, recording.meta["stage"]) == (2000.0, "left", "fist")
    assert recording.angles is not None
    assert len(recording.angles) == 380
    given = np.linspace(0.1, 1.0, 20)
    named = dict(zip(ANGLES, recording.angles[0].tolist(), strict=True))
    assert named["thumb_cmc_fe"] == pytest.approx(given[0], abs=1e-6)
    # MCP abduction comes before flexion there.
    assert named["index_mcp_aa"] == pytest.approx(given[4], abs=1e-6)
    assert named["index_mcp_fe"] == pytest.approx(given[5], abs=1e-6)


def test_hdf5_arrays_and_matlab_7_3(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["subject/emg"] = EMG
        file["subject/fs"] = 1000.0
        file["subject/notes"] = "text"
    assert read_session(f"{tmp_path / 'a.h5'}?rate=1000").rate_hz == 1000.0
    with h5py.File(tmp_path / "b.mat", "w", userblock_size=512) as file:
        file["emg"] = EMG.T
        file["emg"].attrs["MATLAB_class"] = np.bytes_("double")
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    content = (tmp_path / "b.mat").read_bytes()
    (tmp_path / "b.mat").write_bytes(head + content[len(head) :])
    recording = read_session(tmp_path / "b.mat")
    assert recording.meta["format"] == "mat"
    np.testing.assert_array_equal(recording.emg, EMG)


def epn(gesture: str | None = "fist") -> dict[str, Any]:
    def trial(name: str | None, length: int) -> dict[str, Any]:
        rows = EMG[:length].T.tolist()
        made = [0] * (length // 2) + [1] * (length - length // 2)
        about: dict[str, Any] = {"emg": {f"ch{place + 1}": row for place, row in enumerate(rows)}, "groundTruth": made}
        return {**about, "startPointforGestureExecution": 50, **({"gestureName": name} if name else {})}

    return {
        "generalInfo": {
            "deviceModel": "Myo Armband",
            "samplingFrequencyInHertz": 200,
            "repetitionsForSynchronizationGesture": 5,
        },
        "userInfo": {"name": "user7", "age": 22},
        "synchronizationGesture": {},
        "trainingSamples": {"idx_1": trial("noGesture", 100), "idx_2": trial(gesture, 120)},
        "testingSamples": {"idx_1": trial(None, 90)},
    }


def test_emg_epn_612(tmp_path: Path) -> None:
    path = tmp_path / "user7.json"
    path.write_text(json.dumps(epn()))
    recording = read_session(path)
    assert len(recording) == 310
    assert [(one.start, one.stop) for one in recording.segments()] == [(0, 100), (100, 220), (220, 310)]
    assert recording.classes is not None
    assert recording.classes[[0, 100, 159, 160, 219, 220]].tolist() == [0, 0, 0, 1, 1, -1]
    assert (recording.unit, recording.rate_hz, recording.meta["user"]) == ("adc", 200.0, "user7")
    assert "0 = noGesture, 1 = fist" in notes(recording)
    assert len(read_session(f"{path}?part=trainingSamples/idx_2")) == 120
    assert len(read_session(f"{path}?part=testingSamples")) == 90
    with pytest.raises(SessionError, match="holds no `idx_9`; it holds trainingSamples, testingSamples"):
        read_session(f"{path}?part=idx_9")


@pytest.mark.parametrize(
    "content",
    [
        {"emg": EMG.tolist(), "fs": 200},
        {"timestamp": "x", "emg": {"frequency": 200, "data": EMG.tolist()}},
        {"emg": {f"ch{k + 1}": EMG[:, k].tolist() for k in range(8)}},
        EMG.tolist(),
        EMG.T.tolist(),
        [{"t": n / 200, **{f"emg{k}": int(row[k]) for k in range(8)}} for n, row in enumerate(EMG)],
    ],
)
def test_json_of_lists(tmp_path: Path, content: object) -> None:
    (tmp_path / "a.json").write_text(json.dumps(content))
    recording = read_session(tmp_path / "a.json")
    np.testing.assert_array_equal(recording.emg, EMG)
    assert recording.rate_hz == 200.0


def edf(path: Path, names: list[str], unit: str = "uV", rate: int = 250, **more: Any) -> Path:
    signals = [
        edfio.EdfSignal(
            WIDE[:, place % 16].astype(float)[: 400 // rate * rate or 400], rate, label=name, physical_dimension=unit
        )
        for place, name in enumerate(names)
    ]
    edfio.Edf(signals, data_record_duration=0.2 if rate > 200 else 1, **more).write(path)
    return path


def test_edf_of_another_program(tmp_path: Path) -> None:
    path = tmp_path / "a.edf"
    signals = [
        edfio.EdfSignal(EMG[:, place].astype(float), 200, label=f"EMG {place + 1}", physical_dimension="mV")
        for place in range(8)
    ]
    signals.append(edfio.EdfSignal(np.arange(20.0), 10, label="Battery"))
    marks = [edfio.EdfAnnotation(0.5, None, "fist"), edfio.EdfAnnotation(1.0, 0.5, "open")]
    edfio.Edf(signals, annotations=marks, recording=edfio.Recording(startdate=None)).write(path)
    recording = read_session(path)
    np.testing.assert_allclose(recording.emg, EMG * 1000.0, atol=3.0)
    assert (recording.rate_hz, recording.unit) == (200.0, "uV")
    assert [marker.label for marker in recording.markers] == ["fist", "open"]
    assert "left out: 1 signals of another rate" in notes(recording)


def test_edf_of_muscles_and_of_sixteen_channels(tmp_path: Path) -> None:
    muscles = ["FDS", "FCR", "FCU", "ECR", "ECU", "EDC", "BR", "PT"]
    recording = read_session(edf(tmp_path / "a.edf", muscles, rate=200))
    assert "channels 1 to 8 are `FDS`, `FCR`" in notes(recording)
    path = edf(tmp_path / "b.edf", [f"Ch{k}" for k in range(1, 17)], rate=200)
    with pytest.raises(SessionError, match=r"it has 16 channels.*`\?channels=1-8`"):
        read_session(path)
    assert read_session(f"{path}?channels=5-12").emg.shape == (400, 8)
    with pytest.raises(SessionError, match=r"has 4 columns .*Myocast takes eight"):
        read_session(edf(tmp_path / "c.edf", muscles[:4], rate=200))


def xdf_file(streams: list[tuple[Mapping[str, Any], list[tuple[float, bytes]]]], offset: float = 0.0) -> bytes:
    """An XDF file as LabRecorder writes it: time stamps of samples, and an offset of each stream's clock."""
    content = b"XDF:" + _chunk(1, b'<?xml version="1.0"?><info><version>1.0</version></info>')
    for number, (about, _) in enumerate(streams, 1):
        labels = "".join(f"<channel><label>{label}</label></channel>" for label in about.get("labels", []))
        content += _chunk(2, (
            f'<?xml version="1.0"?><info><name>{about["name"]}</name><type>{about["type"]}</type>'
            f"<channel_count>{about['channels']}</channel_count><nominal_srate>{about['rate']}</nominal_srate>"
            f"<channel_format>{about['format']}</channel_format><desc><channels>{labels}</channels></desc></info>"
        ).encode(), number)  # fmt: skip
    for number, (_, samples) in enumerate(streams, 1):
        for moment in (0.0, 5.0, 10.0):
            content += _chunk(4, np.array([1000.0 + moment, offset]).tobytes(), number)
        for start in range(0, len(samples), 50):
            part = samples[start : start + 50]
            rows = b"".join(b"\x08" + np.float64(t).tobytes() + data for t, data in part)
            content += _chunk(3, _counted(len(part)) + rows, number)
    return content


def emg_stream(
    name: str = "Myo", kind: str = "EMG", jitter: float = 0.0
) -> tuple[dict[str, Any], list[tuple[float, bytes]]]:
    t = 1000.0 + np.arange(400) / 200 + jitter * RANDOM.random(400)
    rows = [(one, row.astype("<f4").tobytes()) for one, row in zip(t.tolist(), EMG, strict=True)]
    return {"name": name, "type": kind, "channels": 8, "rate": 200, "format": "float32"}, rows


def test_xdf_of_labrecorder(tmp_path: Path) -> None:
    words = [(1000.5, _counted(4) + b"fist"), (1001.0, _counted(4) + b"open")]
    markers = {"name": "Keys", "type": "Markers", "channels": 1, "rate": 0, "format": "string"}
    path = tmp_path / "a.xdf"
    path.write_bytes(xdf_file([emg_stream(), (markers, words)], offset=-100.0))
    recording = read_session(path)
    np.testing.assert_array_equal(recording.emg, EMG)
    assert recording.t[0] == pytest.approx(900.0)
    assert [(round(one.t, 3), one.label) for one in recording.markers] == [(900.5, "fist"), (901.0, "open")]
    assert "the stream `Myo` (emg) was taken for the EMG" in notes(recording)


def test_xdf_that_came_in_bursts_is_laid_on_its_grid(tmp_path: Path) -> None:
    (tmp_path / "a.xdf").write_bytes(xdf_file([emg_stream(jitter=0.004)]))
    recording = read_session(tmp_path / "a.xdf")
    assert np.abs(np.diff(recording.t) - 0.005).max() < 1e-4


def test_two_streams_of_emg_are_asked_about(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    path.write_bytes(xdf_file([emg_stream("left"), emg_stream("right")]))
    with pytest.raises(SessionError, match=r"holds 2 streams that can be the EMG.*`\?part=left`"):
        read_session(path)
    assert read_session(f"{path}?part=right").name == "right"


def test_an_xdf_that_is_cut_off_or_lies_about_sizes(tmp_path: Path) -> None:
    whole = xdf_file([emg_stream()])
    path = tmp_path / "a.xdf"
    path.write_bytes(whole[:-100])
    recording = read_session(path)
    assert len(recording) == 350
    assert "cut off or damaged" in notes(recording)
    path.write_bytes(gzip.compress(whole))
    assert len(read_session(path)) == 400
    huge = _chunk(3, b"\x08" + (1 << 60).to_bytes(8, "little") + b"\x08", 1)
    path.write_bytes(whole + huge)
    recording = read_session(path)
    assert len(recording) == 400
    assert recording.meta["dropped"][0]["reason"] == "damaged chunk"


@pytest.mark.parametrize(
    ("name", "missing", "make"),
    [
        ("a.xdf", "pyxdf", lambda path: path.write_bytes(xdf_file([emg_stream()]))),
        ("a.edf", "edfio", lambda path: edf(path, [f"emg{k}" for k in range(8)], rate=200)),
        ("a.h5", "h5py", lambda path: emg2pose(path)),
        ("a.mat", "scipy", lambda path: scipy_io.savemat(path, {"emg": EMG})),
    ],
)
def test_without_the_library_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, missing: str, make: Callable[[Path], object]
) -> None:
    make(tmp_path / name)

    def absent(module: str) -> None:
        raise ModuleNotFoundError(name=module.partition(".")[0])

    monkeypatch.setattr(libraries, "import_module", absent)
    with pytest.raises(
        SessionError, match=rf"needs the package `{missing}`, which is not installed; run: .*formats"
    ) as caught:
        read_session(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_matlab_elements_that_unpack_to_gigabytes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    scipy_io.savemat(buffer, {"emg": np.zeros((200_000, 8))}, do_compression=True)
    path = tmp_path / "a.mat"
    path.write_bytes(buffer.getvalue())
    monkeypatch.setattr("drivers.sessions.source_bytes._ALWAYS", 1 << 20)
    with pytest.raises(SessionError, match="unpacks to more than"):
        read_session(path)


def test_edf_with_gaps_between_its_records(tmp_path: Path) -> None:
    path = tmp_path / "a.edf"
    signals = [edfio.EdfSignal(EMG[:, place].astype(float), 100, label=f"EMG{place}") for place in range(8)]
    edfio.Edf(signals, annotations=[]).write(path)
    content = path.read_bytes().replace(b"EDF+C", b"EDF+D")
    for before, after in ((b"+2\x14\x14", b"+7\x14\x14"), (b"+3\x14\x14", b"+8\x14\x14")):
        assert content.count(before) == 1
        content = content.replace(before, after)
    path.write_bytes(content)
    recording = read_session(f"{path}?unit=adc")
    assert [(one.start, one.stop) for one in recording.segments()] == [(0, 200), (200, 400)]
    assert recording.sample[200] == 700
    assert recording.t[200] - recording.t[0] == pytest.approx(7.0)


def test_channels_that_are_arrays_of_their_own(tmp_path: Path) -> None:
    vectors = {f"ch{place + 1}": EMG[:, place] for place in range(8)}
    scipy_io.savemat(tmp_path / "a.mat", {**vectors, "time": np.arange(400) / 250})
    fields = [("time", "f8"), *((f"emg{place}", "i4") for place in range(8))]
    table = np.array([(n / 500, *row) for n, row in enumerate(EMG)], dtype=fields)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["data"] = table
    np.save(tmp_path / "c.npy", table)
    for name, rate in (("a.mat", 250.0), ("b.h5", 500.0), ("c.npy", 500.0)):
        recording = read_session(tmp_path / name)
        np.testing.assert_array_equal(recording.emg, EMG)
        assert recording.rate_hz == rate


def test_the_rate_of_hdf5_may_be_an_attribute_and_two_sessions_are_asked_about(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["emg"] = EMG
        file.attrs["sampling_rate"] = 1000
    assert read_session(tmp_path / "a.h5").rate_hz == 1000.0
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["s1/emg"], file["s2/emg"] = EMG, -EMG
    with pytest.raises(SessionError, match=r"`s1/emg` 400x8, `s2/emg` 400x8.*`\?part=s1/emg`"):
        read_session(tmp_path / "b.h5")
    np.testing.assert_array_equal(read_session(f"{tmp_path / 'b.h5'}?part=s2/emg").emg, -EMG)


def test_json_with_times_classes_and_lines(tmp_path: Path) -> None:
    words = ["rest"] * 200 + ["fist"] * 200
    content = {"timestamps": (np.arange(400) * 4).tolist(), "emg": EMG.tolist(), "label": words}
    (tmp_path / "a.json").write_text(json.dumps(content))
    recording = read_session(tmp_path / "a.json")
    assert recording.rate_hz == 250.0
    assert recording.classes is not None
    assert recording.classes[[0, 399]].tolist() == [0, 1]
    lines = [json.dumps({"t": n / 200, "emg": row}) for n, row in enumerate(EMG.tolist())]
    (tmp_path / "b.jsonl").write_text("\n".join(lines))
    recording = read_session(tmp_path / "b.jsonl")
    np.testing.assert_array_equal(recording.emg, EMG)
    assert recording.rate_hz == 200.0


def test_words_as_classes_beside_an_array(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", emg=EMG, labels=np.array(["rest"] * 100 + ["fist"] * 300))
    recording = read_session(tmp_path / "a.npz")
    assert recording.classes is not None
    assert recording.classes[[99, 100]].tolist() == [0, 1]
    assert "classes by name: 0 = rest, 1 = fist" in notes(recording)
