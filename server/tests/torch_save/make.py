"""Writes small.zip.bin and small.legacy.bin: a state dict with the cases that a reader gets wrong, in both forms of torch.save.

Only Python's own pickle is needed: classes of torch are stood in for by name, as a reader that executes nothing sees them.
The layout is that of torch/serialization.py (_save and _legacy_save).
"""
import collections, io, pickle, struct, sys, types, zipfile

torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")


def _rebuild_tensor_v2(*arguments):
    raise AssertionError("a reader never calls it")


_rebuild_tensor_v2.__module__ = "torch._utils"
utils._rebuild_tensor_v2 = _rebuild_tensor_v2
for name in ("FloatStorage", "HalfStorage", "LongStorage"):
    setattr(torch, name, type(name, (), {"__module__": "torch", "__qualname__": name}))
sys.modules.update({"torch": torch, "torch._utils": utils})


class Storage:
    def __init__(self, kind, code, values):
        self.kind, self.values, self.data = getattr(torch, kind), values, struct.pack(f"<{len(values)}{code}", *values)


class Tensor:
    def __init__(self, storage, offset, size, stride):
        self.arguments = (storage, offset, size, stride, False, collections.OrderedDict())

    def __reduce__(self):
        return _rebuild_tensor_v2, self.arguments


shared = Storage("FloatStorage", "f", [0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
half = Storage("HalfStorage", "e", [0.5, -2.0])
ids = Storage("LongStorage", "q", [7, 8])
storages = [shared, half, ids]
state = collections.OrderedDict(
    plain=Tensor(shared, 0, (2, 3), (3, 1)),
    part=Tensor(shared, 4, (2,), (1,)),
    transposed=Tensor(shared, 0, (3, 2), (1, 3)),
    half=Tensor(half, 0, (2,), (1,)),
    position_ids=Tensor(ids, 0, (1, 2), (2, 1)),
    empty=Tensor(half, 0, (0,), (1,)),
)
state._metadata = collections.OrderedDict({"": {"version": 1}})


def dump(value, legacy):
    class Pickler(pickle.Pickler):
        def persistent_id(self, item):
            if isinstance(item, Storage):
                return ("storage", item.kind, str(storages.index(item)), "cpu", len(item.values)) + ((None,) if legacy else ())

    out = io.BytesIO()
    Pickler(out, protocol=2).dump(value)
    return out.getvalue()


with zipfile.ZipFile("small.zip.bin", "w", zipfile.ZIP_STORED) as archive:
    files = {"data.pkl": dump(state, False), "byteorder": b"little", "version": b"3\n"}
    files.update({f"data/{key}": storage.data for key, storage in enumerate(storages)})
    for name, data in files.items():
        archive.writestr(zipfile.ZipInfo(f"small/{name}"), data)

with open("small.legacy.bin", "wb") as file:
    information = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    for value in (0x1950A86A20F9469CFC6C, 1001, information):
        pickle.dump(value, file, protocol=2)
    file.write(dump(state, True))
    pickle.dump([str(key) for key in range(len(storages))], file, protocol=2)
    for storage in storages:
        file.write(struct.pack("<q", len(storage.values)) + storage.data)


# What checkpoints of other origins hold beside a model: names of several devices and of TensorFlow, an optimizer, the
# state of random numbers, sets, long integers, truth values.
for name in ("BoolStorage", "ByteStorage", "ShortStorage", "CharStorage", "DoubleStorage"):
    setattr(torch, name, type(name, (), {"__module__": "torch", "__qualname__": name}))

weight = Storage("FloatStorage", "f", [1.5, -2.5])
moment = Storage("DoubleStorage", "d", [0.25, 0.75])
mask = Storage("BoolStorage", "?", [True, False])
random_state = Storage("ByteStorage", "B", [7, 8, 9])
short = Storage("ShortStorage", "h", [-1, 2])
char = Storage("CharStorage", "b", [-3, 4])
# The model's storage stands behind those that nobody needs.
storages = [random_state, mask, short, char, moment, weight]


def vector(storage):
    return Tensor(storage, 0, (len(storage.values),), (1,))


checkpoint = {
    "epoch": 3,
    "seed": 2**70 + 1,
    "huge": 1 << 4000,
    "done": {"a", "b"},
    "frozen": frozenset({1, 2}),
    "is_best": True,
    "raw": bytearray(b"\x00\x01"),
    "long_bytes": b"\xff" * 300,
    "surrogate": "\ud800",
    "rng_state": vector(random_state),
    "python_rng": (3, tuple(2**32 - index for index in range(4)), None),
    "optimizer": {"state": {0: {"step": 12, "exp_avg": vector(moment)}}, "param_groups": [{"params": [0, 1]}]},
    "state_dict": collections.OrderedDict(
        {
            "module.norm.gamma": vector(weight),
            "module.norm.beta": vector(weight),
            "module.mask": vector(mask),
            "module.short": vector(short),
            "module.char": vector(char),
        }
    ),
}
ENDS = {"little": "<", "big": ">"}


def write_zip(name, protocol, order):
    codes = {"BoolStorage": "?", "ByteStorage": "B", "ShortStorage": "h", "CharStorage": "b", "DoubleStorage": "d", "FloatStorage": "f"}

    class Pickler(pickle.Pickler):
        def persistent_id(self, item):
            if isinstance(item, Storage):
                return ("storage", item.kind, str(storages.index(item)), "cpu", len(item.values))

    out = io.BytesIO()
    Pickler(out, protocol=protocol).dump(checkpoint)
    with zipfile.ZipFile(name, "w", zipfile.ZIP_STORED) as archive:
        files = {"data.pkl": out.getvalue(), "byteorder": order.encode(), "version": b"3\n"}
        for key, storage in enumerate(storages):
            files[f"data/{key}"] = struct.pack(f"{ENDS[order]}{len(storage.values)}{codes[storage.kind.__name__]}", *storage.values)
        for file, data in files.items():
            archive.writestr(zipfile.ZipInfo(f"strange/{file}"), data)


for protocol in (1, 2, 4, 5):
    write_zip(f"strange.protocol-{protocol}.zip.bin", protocol, "little")
write_zip("strange.big-endian.zip.bin", 2, "big")

with open("strange.legacy.bin", "wb") as file:
    for value in (0x1950A86A20F9469CFC6C, 1001, information):
        pickle.dump(value, file, protocol=2)
    file.write(dump(checkpoint, True))
    pickle.dump([str(key) for key in range(len(storages))], file, protocol=2)
    for storage in storages:
        file.write(struct.pack("<q", len(storage.values)) + storage.data)
