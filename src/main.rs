//! Declarative deployer of a SiameseUniNLU inference service on Kubernetes.
fn main() {}
