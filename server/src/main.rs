//! Inference server of SiameseUniNLU.
fn main() {}
