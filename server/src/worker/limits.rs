//! What one request may ask and be answered.

/// Prompts that one request may ask, over all levels: nested schemas multiply.
pub(super) const PROMPT_LIMIT: usize = 2_048;
/// Entities that may be found at one level of a text.
pub(super) const ENTITY_LIMIT: usize = 20_000;
/// Bytes of one question's answer at most.
pub const ANSWER_LIMIT: usize = 8 << 20;
