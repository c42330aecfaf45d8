//! Where a tensor lies in its file, and how it is copied out of it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use tch::{Kind, Tensor};

/// Where each tensor lies, or why it cannot be used: a file may hold more than the network needs.
pub(super) type Slices = HashMap<String, Result<Slice, String>>;

/// Where a tensor lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// Which of the files.
    pub(super) file: usize,
    /// Bytes of the file, from the first element used to the last.
    pub(super) bytes: Range<usize>,
    /// How the elements are written.
    pub kind: Kind,
    /// Whether they were written by a big-endian machine.
    pub(super) is_big_endian: bool,
    /// Sizes.
    pub shape: Vec<i64>,
    /// Elements from one index to the next, where the tensor does not lie row behind row.
    pub(super) stride: Option<Vec<i64>>,
}

impl Slice {
    /// A tensor that lies row behind row.
    pub(super) fn new(bytes: Range<usize>, kind: Kind, shape: Vec<i64>) -> Result<Self, String> {
        let elements = shape.iter().try_fold(1_i64, |product, size| {
            product.checked_mul(*size).filter(|_| *size >= 0)
        });
        let wanted = elements.and_then(|elements| {
            usize::try_from(elements)
                .ok()?
                .checked_mul(kind.elt_size_in_bytes())
        });
        if wanted != Some(bytes.len()) {
            return Err(format!(
                "has {} bytes, which do not fit the shape {shape:?}",
                bytes.len()
            ));
        }
        Ok(Self {
            file: 0,
            bytes,
            kind,
            is_big_endian: false,
            shape,
            stride: None,
        })
    }

    /// No tensor at all.
    pub fn none() -> Self {
        Self {
            file: 0,
            bytes: 0..0,
            kind: Kind::Float,
            is_big_endian: false,
            shape: Vec::new(),
            stride: None,
        }
    }

    /// Whether it holds integers.
    pub fn is_integer(&self) -> bool {
        matches!(self.kind, Kind::Int64 | Kind::Int)
    }

    fn little_endian<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        if !self.is_big_endian {
            return bytes.into();
        }
        let elements = bytes.chunks_exact(self.kind.elt_size_in_bytes());
        let turned = elements.flat_map(|element| element.iter().rev().copied());
        Cow::Owned(turned.collect())
    }

    pub(super) fn tensor(&self, file: &[u8]) -> Result<Tensor, tch::TchError> {
        let bytes = &*self.little_endian(&file[self.bytes.clone()]);
        let lying = match &self.stride {
            None => Tensor::f_from_data_size(bytes, &self.shape, self.kind)?,
            Some(stride) => {
                let elements = (bytes.len() / self.kind.elt_size_in_bytes()) as i64;
                Tensor::f_from_data_size(bytes, &[elements], self.kind)?
                    .f_as_strided(&self.shape, stride, 0)?
                    .f_contiguous()?
            }
        };
        if self.is_integer() {
            Ok(lying)
        } else {
            lying.f_to_kind(Kind::Float)
        }
    }
}
