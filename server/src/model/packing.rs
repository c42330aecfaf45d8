//! Sequences of many lengths behind each other in one matrix.

use std::ops::Range;

use tch::{Device, Kind, Tensor};

use crate::model_error::ModelError;

/// Sequences of one shape, whose tokens lie behind each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Group {
    /// First row of the matrix.
    start: i64,
    /// Number of sequences.
    count: i64,
    /// Tokens of the text in each; they come first.
    pub(super) text: i64,
    /// Tokens of the prompt in each.
    prompt: i64,
}

impl Group {
    /// Tokens of each sequence.
    pub(super) fn tokens(&self) -> i64 {
        self.text + self.prompt
    }

    /// `[N, 3H]` of queries, keys and values → `[count · queries, H]`.
    pub(super) fn attend(
        &self,
        mixed: &Tensor,
        heads: i64,
        queries: i64,
    ) -> Result<Tensor, ModelError> {
        let width = mixed.size()[1] / 3;
        // libtorch's attention multiplies bf16 on the CPU by a plain loop, which took half of a request's time there.
        let kind = match mixed.kind() {
            Kind::BFloat16 if mixed.device() == Device::Cpu => Kind::Float,
            kind => kind,
        };
        let split = mixed
            .f_narrow(0, self.start, self.count * self.tokens())?
            .f_to_kind(kind)?
            .f_view([self.count, self.tokens(), 3, heads, width / heads])?
            .f_permute([2, 0, 3, 1, 4])?;
        let context = Tensor::f_scaled_dot_product_attention(
            &split.f_get(0)?.f_narrow(2, 0, queries)?,
            &split.f_get(1)?,
            &split.f_get(2)?,
            None::<Tensor>,
            0.0,
            false,
            None::<f64>,
            false,
        )?;
        Ok(context
            .f_transpose(1, 2)?
            .f_reshape([self.count * queries, width])?)
    }

    /// `[N, H]` → `[count · text, H]`.
    pub(super) fn text_rows(&self, states: &Tensor) -> Result<Tensor, ModelError> {
        let width = states.size()[1];
        Ok(states
            .f_narrow(0, self.start, self.count * self.tokens())?
            .f_view([self.count, self.tokens(), width])?
            .f_narrow(1, 0, self.text)?
            .f_reshape([self.count * self.text, width])?)
    }
}

/// In which order sequences lie, and what is equally shaped.
#[derive(Debug)]
pub(super) struct Packing {
    /// The sequence at each place.
    pub(super) order: Vec<usize>,
    pub(super) groups: Vec<Group>,
}

impl Packing {
    /// Groups sequences by their shape: tokens of the text, tokens of the prompt.
    pub(super) fn of(shapes: &[(i64, i64)]) -> Self {
        let mut order: Vec<usize> = (0..shapes.len()).collect();
        order.sort_by_key(|index| shapes[*index]);
        let mut groups: Vec<Group> = Vec::new();
        let mut start = 0;
        for index in &order {
            let (text, prompt) = shapes[*index];
            match groups.last_mut() {
                Some(last) if (last.text, last.prompt) == (text, prompt) => last.count += 1,
                _ => groups.push(Group {
                    start,
                    count: 1,
                    text,
                    prompt,
                }),
            }
            start += text + prompt;
        }
        Self { order, groups }
    }

    /// The same sequences with their texts only.
    pub(super) fn of_text(&self) -> Self {
        let mut start = 0;
        let groups = self.groups.iter().map(|group| {
            let text = Group {
                start,
                prompt: 0,
                ..*group
            };
            start += text.count * text.text;
            text
        });
        Self {
            groups: groups.collect(),
            order: self.order.clone(),
        }
    }

    /// The rows of each sequence, as they lie.
    pub(super) fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        self.groups.iter().flat_map(|group| {
            let (start, tokens) = (group.start as usize, group.tokens() as usize);
            (0..group.count as usize).map(move |index| {
                let first = start + index * tokens;
                first..first + tokens
            })
        })
    }

    /// What was computed for the sequences as they lie, in the order in which they came.
    pub(super) fn ordered<T>(&self, lying: impl Iterator<Item = T>) -> Vec<T> {
        let mut placed: Vec<(usize, T)> = self.order.iter().copied().zip(lying).collect();
        placed.sort_by_key(|(index, _)| *index);
        placed.into_iter().map(|(_, value)| value).collect()
    }

    /// The rows of each sequence, in the order in which they came: views.
    pub(super) fn rows(&self, states: &Tensor) -> Result<Vec<Tensor>, ModelError> {
        let rows: Vec<Tensor> = self
            .ranges()
            .map(|range| states.f_narrow(0, range.start as i64, range.len() as i64))
            .collect::<Result<_, _>>()?;
        Ok(self.ordered(rows.into_iter()))
    }
}

/// oneDNN compiles a kernel for each number of rows: without steps it would go on compiling, and keep them all.
pub(crate) fn stepped(tokens: i64) -> i64 {
    let step = if tokens <= 512 { 8 } else { 32 };
    (tokens + step - 1) / step * step
}

/// Lays matrices `[n, H]` behind each other; rows of zeros fill it up to the next step.
pub(super) fn pack(parts: &[&Tensor]) -> Result<Tensor, ModelError> {
    let tokens: i64 = parts.iter().map(|part| part.size()[0]).sum();
    let missing = stepped(tokens) - tokens;
    if let ([only], 0) = (parts, missing) {
        return Ok(only.shallow_clone());
    }
    let width = parts[0].size()[1];
    let zeros = parts[0].f_new_zeros([missing, width], (parts[0].kind(), parts[0].device()))?;
    let all: Vec<&Tensor> = parts.iter().copied().chain([&zeros]).collect();
    Ok(Tensor::f_cat(&all, 0)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_shapes_lie_together_and_come_back_in_order() {
        let packing = Packing::of(&[(5, 2), (3, 2), (5, 2), (5, 1)]);
        assert_eq!(packing.order, [1, 3, 0, 2]);
        assert_eq!(packing.groups.len(), 3);
        let ranges: Vec<Range<usize>> = packing.ranges().collect();
        assert_eq!(ranges, [0..5, 5..11, 11..18, 18..25]);
        assert_eq!(packing.ordered(ranges.into_iter())[1], 0..5);
    }

    #[test]
    fn texts_alone_lie_as_their_sequences_did() {
        let packing = Packing::of(&[(5, 2), (3, 2), (5, 2)]).of_text();
        let ranges: Vec<Range<usize>> = packing.ranges().collect();
        assert_eq!(ranges, [0..3, 3..8, 8..13]);
    }

    #[test]
    fn few_rows_are_wasted() {
        for tokens in 100..4_096 {
            let wasted = stepped(tokens) - tokens;
            assert!(wasted * 100 < tokens * 8, "{wasted} rows of {tokens}");
        }
    }
}
