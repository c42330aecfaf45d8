//! The part of Python's pickle format that a `state_dict` saved by `torch.save` uses, read as data.
//!
//! candle-core's reader was looked at first: it knows only the zip form, and brings a second tensor library along.

use std::collections::HashMap;
use std::rc::Rc;

/// Nothing real nests deeper; a hostile file must not overflow the stack when its values are dropped.
const DEEPEST: usize = 64;

/// A value of a pickle, as far as weights are concerned.
#[derive(Debug, Clone)]
pub(super) enum Value {
    None,
    Int(i64),
    Text(Rc<str>),
    Tuple(Rc<Vec<Value>>),
    List(Rc<Vec<Value>>),
    Dict(Rc<Vec<(Value, Value)>>),
    /// `module.name`
    Global(Rc<str>),
    Storage(Rc<StorageRef>),
    Tensor(Rc<TensorRef>),
    /// Something that no weight needs.
    Other,
}

/// A storage that a tensor lies in.
#[derive(Debug)]
pub(super) struct StorageRef {
    /// `FloatStorage`
    pub(super) class: Rc<str>,
    pub(super) key: Rc<str>,
}

/// A tensor's place in its storage, in elements.
#[derive(Debug)]
pub(super) struct TensorRef {
    pub(super) storage: Rc<StorageRef>,
    pub(super) offset: i64,
    pub(super) size: Vec<i64>,
    pub(super) stride: Vec<i64>,
}

/// A pickle that was read.
pub(super) struct Pickle<'a> {
    pub(super) value: Value,
    /// The class of each storage by its key, also of those that no tensor of the value lies in.
    pub(super) storages: HashMap<Rc<str>, Rc<str>>,
    /// The bytes behind it.
    pub(super) rest: &'a [u8],
}

/// Reads one pickle.
pub(super) fn read(bytes: &[u8]) -> Result<Pickle<'_>, String> {
    let mut reader = Reader {
        rest: bytes,
        storages: HashMap::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    while let Some(value) = reader.step()? {
        if let Step::Stop(value) = value {
            return Ok(Pickle {
                value,
                storages: reader.storages,
                rest: reader.rest,
            });
        }
    }
    Err("the pickle does not end; is the file complete?".into())
}

enum Step {
    Go,
    Stop(Value),
}

struct Reader<'a> {
    rest: &'a [u8],
    storages: HashMap<Rc<str>, Rc<str>>,
    stack: Vec<(Value, usize)>,
    marks: Vec<usize>,
    memo: HashMap<usize, (Value, usize)>,
}

const TRUNCATED: &str = "the pickle ends too early; is the file complete?";
const MALFORMED: &str = "the pickle is malformed";

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<usize, String> {
        Ok(usize::from(self.take(1)?[0]))
    }

    fn number(&mut self, width: usize) -> Result<usize, String> {
        let bytes = self.take(width)?;
        let value = bytes
            .iter()
            .rev()
            .fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        usize::try_from(value).map_err(|_| MALFORMED.into())
    }

    /// Python writes lone surrogates too, which no tensor's name has.
    fn text(&mut self, length: usize) -> Result<Value, String> {
        let text = std::str::from_utf8(self.take(length)?);
        Ok(text.map_or(Value::Other, |text| Value::Text(text.into())))
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let end = self
            .rest
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or(TRUNCATED)?;
        let line = self.take(end)?;
        self.take(1)?;
        std::str::from_utf8(line).map_err(|_| MALFORMED.into())
    }

    fn push(&mut self, value: Value) {
        self.stack.push((value, 0));
    }

    fn push_nested(&mut self, value: Value, depth: usize) -> Result<(), String> {
        if depth > DEEPEST {
            return Err("the pickle nests deeper than weights do".into());
        }
        self.stack.push((value, depth));
        Ok(())
    }

    fn pop(&mut self) -> Result<(Value, usize), String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(MALFORMED.into());
        }
        self.stack.pop().ok_or_else(|| MALFORMED.into())
    }

    fn pop_to_mark(&mut self) -> Result<(Vec<Value>, usize), String> {
        let mark = self.marks.pop().ok_or(MALFORMED)?;
        Ok(unzip(self.stack.split_off(mark)))
    }

    fn top(&mut self) -> Result<&mut (Value, usize), String> {
        self.stack.last_mut().ok_or_else(|| MALFORMED.into())
    }

    /// One opcode, named in the order of Python's `pickletools`.
    fn step(&mut self) -> Result<Option<Step>, String> {
        let Some((&opcode, rest)) = self.rest.split_first() else {
            return Ok(None);
        };
        self.rest = rest;
        match opcode {
            b'.' => return Ok(Some(Step::Stop(self.pop()?.0))),
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' | b'b' => drop(self.pop()?),
            b'1' => drop(self.pop_to_mark()?),
            b'2' => {
                let top = self.top()?.clone();
                self.stack.push(top);
            }
            b'N' => self.push(Value::None),
            0x88 | 0x89 | 0x8f => self.push(Value::Other),
            b'K' | b'M' | b'J' | 0x8a | 0x8b | b'G' => self.scalar(opcode)?,
            b'I' | b'L' => self.number_line()?,
            b'X' | b'T' | b'B' | 0x8c | b'U' | b'C' | 0x8d | 0x8e | 0x96 => self.string(opcode)?,
            b')' | b't' | 0x85..=0x87 => self.tuple(opcode)?,
            b']' => self.push(Value::List(Rc::default())),
            b'a' | b'e' | 0x90 => self.append(opcode)?,
            // A frozen set.
            0x91 => {
                self.pop_to_mark()?;
                self.push(Value::Other);
            }
            b'}' => self.push(Value::Dict(Rc::default())),
            b's' | b'u' => self.set_items(opcode)?,
            b'q' | b'r' | 0x94 => self.memorize(opcode)?,
            b'h' | b'j' => self.recall(opcode)?,
            b'c' | 0x93 => self.global(opcode)?,
            b'R' | 0x81 => self.reduce()?,
            0x92 => {
                self.pop()?;
                self.reduce()?;
            }
            b'Q' => self.persistent()?,
            other => {
                return Err(format!(
                    "the pickle uses opcode {other:#04x}, which weights do not need"
                ));
            }
        }
        Ok(Some(Step::Go))
    }

    fn scalar(&mut self, opcode: u8) -> Result<(), String> {
        let value = match opcode {
            b'K' => Value::Int(self.number(1)? as i64),
            b'M' => Value::Int(self.number(2)? as i64),
            b'J' => Value::Int(i64::from(self.number(4)? as u32 as i32)),
            0x8a => {
                let length = self.byte()?;
                long(self.take(length)?)
            }
            0x8b => {
                let length = self.number(4)?;
                long(self.take(length)?)
            }
            _ => {
                self.take(8)?;
                Value::Other
            }
        };
        self.push(value);
        Ok(())
    }

    /// A number in decimal digits, as protocols 0 and 1 write truth values and long integers.
    fn number_line(&mut self) -> Result<(), String> {
        let number = self.line()?.trim_end_matches('L').parse();
        self.push(number.map_or(Value::Other, Value::Int));
        Ok(())
    }

    fn string(&mut self, opcode: u8) -> Result<(), String> {
        let length = match opcode {
            b'X' | b'T' | b'B' => self.number(4)?,
            0x8d | 0x8e | 0x96 => self.number(8)?,
            _ => self.byte()?,
        };
        let value = if matches!(opcode, b'X' | 0x8c | b'T' | b'U' | 0x8d) {
            self.text(length)?
        } else {
            self.take(length)?;
            Value::Other
        };
        self.push(value);
        Ok(())
    }

    fn tuple(&mut self, opcode: u8) -> Result<(), String> {
        let (items, depth) = match opcode {
            b')' => (Vec::new(), 0),
            b't' => self.pop_to_mark()?,
            short => {
                let mut items = (0..short - 0x84)
                    .map(|_| self.pop())
                    .collect::<Result<Vec<_>, _>>()?;
                items.reverse();
                unzip(items)
            }
        };
        self.push_nested(Value::Tuple(Rc::new(items)), depth + 1)
    }

    fn append(&mut self, opcode: u8) -> Result<(), String> {
        let (items, depth) = if opcode == b'a' {
            unzip(vec![self.pop()?])
        } else {
            self.pop_to_mark()?
        };
        let (target, target_depth) = self.top()?;
        if let Value::List(list) = target {
            Rc::make_mut(list).extend(items);
        }
        *target_depth = (*target_depth).max(depth + 1);
        check_depth(*target_depth)
    }

    fn set_items(&mut self, opcode: u8) -> Result<(), String> {
        let (items, depth) = if opcode == b's' {
            let value = self.pop()?;
            unzip(vec![self.pop()?, value])
        } else {
            self.pop_to_mark()?
        };
        let (target, target_depth) = self.top()?;
        if let Value::Dict(dict) = target {
            let pairs = items
                .chunks_exact(2)
                .map(|pair| (pair[0].clone(), pair[1].clone()));
            Rc::make_mut(dict).extend(pairs);
        }
        *target_depth = (*target_depth).max(depth + 1);
        check_depth(*target_depth)
    }

    fn memorize(&mut self, opcode: u8) -> Result<(), String> {
        let index = match opcode {
            b'q' => self.byte()?,
            b'r' => self.number(4)?,
            _ => self.memo.len(),
        };
        let value = self.top()?.clone();
        self.memo.insert(index, value);
        Ok(())
    }

    fn recall(&mut self, opcode: u8) -> Result<(), String> {
        let index = if opcode == b'h' {
            self.byte()?
        } else {
            self.number(4)?
        };
        let value = self.memo.get(&index).cloned().ok_or(MALFORMED)?;
        self.stack.push(value);
        Ok(())
    }

    fn global(&mut self, opcode: u8) -> Result<(), String> {
        let name = if opcode == b'c' {
            let module = self.line()?;
            format!("{module}.{}", self.line()?)
        } else {
            let (name, module) = (self.pop()?.0, self.pop()?.0);
            match (module, name) {
                (Value::Text(module), Value::Text(name)) => format!("{module}.{name}"),
                _ => return Err(MALFORMED.into()),
            }
        };
        self.push(Value::Global(name.into()));
        Ok(())
    }

    /// A call that would make an object: only those that make tensors and their containers are understood.
    fn reduce(&mut self) -> Result<(), String> {
        let ((arguments, depth), (function, _)) = (self.pop()?, self.pop()?);
        let value = match (&function, &arguments) {
            (Value::Global(name), Value::Tuple(arguments)) => call(name, arguments),
            _ => Value::Other,
        };
        self.push_nested(value, depth)
    }

    fn persistent(&mut self) -> Result<(), String> {
        let (Value::Tuple(items), _) = self.pop()? else {
            return Err(MALFORMED.into());
        };
        let [Value::Text(_), Value::Global(class), Value::Text(key), ..] = items.as_slice() else {
            // The source code of a module, for one.
            self.push(Value::Other);
            return Ok(());
        };
        let class: Rc<str> = class.rsplit('.').next().unwrap_or_default().into();
        self.storages.insert(key.clone(), class.clone());
        let key = key.clone();
        self.push(Value::Storage(Rc::new(StorageRef { class, key })));
        Ok(())
    }
}

fn check_depth(depth: usize) -> Result<(), String> {
    if depth > DEEPEST {
        Err("the pickle nests deeper than weights do".into())
    } else {
        Ok(())
    }
}

fn unzip(items: Vec<(Value, usize)>) -> (Vec<Value>, usize) {
    let depth = items.iter().map(|(_, depth)| *depth).max().unwrap_or(0);
    (items.into_iter().map(|(value, _)| value).collect(), depth)
}

/// A little-endian two's complement number; one that does not fit is no size of a tensor.
fn long(bytes: &[u8]) -> Value {
    if bytes.len() > 8 {
        return Value::Other;
    }
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut full = [if negative { 0xff } else { 0 }; 8];
    full[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i64::from_le_bytes(full))
}

fn call(name: &str, arguments: &[Value]) -> Value {
    match (name, arguments) {
        ("collections.OrderedDict", _) => Value::Dict(Rc::default()),
        (
            "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor",
            [
                Value::Storage(storage),
                Value::Int(offset),
                size,
                stride,
                ..,
            ],
        ) => match (integers(size), integers(stride)) {
            (Some(size), Some(stride)) => Value::Tensor(Rc::new(TensorRef {
                storage: storage.clone(),
                offset: *offset,
                size,
                stride,
            })),
            _ => Value::Other,
        },
        (
            "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state",
            [tensor, ..],
        ) => tensor.clone(),
        _ => Value::Other,
    }
}

fn integers(value: &Value) -> Option<Vec<i64>> {
    let Value::Tuple(items) = value else {
        return None;
    };
    items
        .iter()
        .map(|item| match item {
            Value::Int(number) => Some(*number),
            _ => None,
        })
        .collect()
}
