//! Inference server of SiameseUniNLU: one Chinese BERT-size model for entities, relations, events, sentiment,
//! classification, matching, inference and reading comprehension.
//!
//! ```text
//! HTTP request ──http──▶ worker: admission ──▶ session ──▶ batches of passes ──model──▶ decode ──▶ extract ──▶ output
//! ```
//!
//! `extract` and `decode` know nothing of tensors, `model` nothing of requests, `http` nothing of either; `worker` is
//! where they meet.

mod args;
mod capabilities;
mod cgroup;
pub mod cli;
pub mod config;
pub mod decode;
pub mod extract;
mod files;
pub mod http;
mod inspect;
pub mod log;
pub mod metrics;
pub mod model;
pub mod model_error;
pub mod schema;
mod service;
pub mod settings;
mod sockets;
pub mod tokenizer;
pub mod traces;
pub mod view;
pub mod weights;
pub mod worker;
