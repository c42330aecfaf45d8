//! The built image, run and measured under the stack's limits on this machine: the [`crate::profile::Profile`].
//!
//! ```text
//! Stack ──kinds::desired──▶ Deployment ──pod──▶ Spec          pure: rendered, so that it cannot differ from the pod
//! Spec ──image::container──▶ a container on a loopback port   IO
//!   texts, arrivals ──▶ load ──▶ samples ──▶ figures          IO between pure ends
//!   figures ──▶ search ──▶ the next rate                      pure
//! ```

pub mod arrivals;
pub mod figures;
mod load;
pub mod measure;
pub mod pod;
pub mod search;
pub mod texts;

use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error as ThisError;

use crate::image;
use crate::ui::human_bytes;

/// Why nothing was measured.
#[derive(Debug, ThisError, Diagnostic)]
#[non_exhaustive]
pub enum Error {
    /// The engine.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Image(#[from] image::Error),

    /// There is nothing to run.
    #[error("the Docker engine has no image {reference}")]
    #[diagnostic(help("{help}"))]
    NoImage {
        /// Which.
        reference: String,
        /// The mend.
        help: String,
    },

    /// Its pods compute on a GPU.
    #[error("the stack's pods compute on a GPU, and a rehearsal measures processors")]
    #[diagnostic(help("an environment with `[engine] gpus = 0` can be rehearsed: --env NAME"))]
    Gpu,

    /// The model is where only the cluster sees it.
    #[error("the model is on the claim `{claim}` in the cluster, and this machine has not got it")]
    #[diagnostic(help("name the model's folder on this machine: --model DIR"))]
    ModelElsewhere {
        /// The PersistentVolumeClaim.
        claim: String,
    },

    /// The folder is no model.
    #[error("{} is not a model folder: {missing} is missing", folder.display())]
    #[diagnostic(help(
        "--model DIR names a folder with config.json, vocab.txt, and model.safetensors or pytorch_model.bin"
    ))]
    NoModel {
        /// The folder.
        folder: PathBuf,
        /// What it lacks.
        missing: String,
    },

    /// A model was named, and the image has its own.
    #[error("--model names a folder, but the stack's model is a layer of its image")]
    #[diagnostic(help("leave --model out: what is deployed is what is measured"))]
    ModelInImage,

    /// The limit is more than this machine has.
    #[error("the CPU limit of a pod is {limit}, and this machine has {cpus} CPUs")]
    #[diagnostic(help(
        "rehearse on a machine like the cluster's nodes, or an environment with a lower `[resources] cpu.limit`"
    ))]
    TooFewCpus {
        /// As the stack file says it.
        limit: String,
        /// Of the engine's machine.
        cpus: i64,
    },

    /// A text that the server would refuse.
    #[error("a text of {characters} characters is longer than `[server] max-length`, {limit}")]
    #[diagnostic(help("name shorter texts with --characters, or raise `max-length`"))]
    TooLong {
        /// What was asked for.
        characters: usize,
        /// The stack's bound.
        limit: u32,
    },

    /// The container ended by itself. Its log was printed.
    #[error("the server ended with exit code {code}{}", when(*ready))]
    #[diagnostic(help("its log stands above; a pod of this stack would end the same way"))]
    Exited {
        /// Exit code.
        code: i64,
        /// Whether it had been ready.
        ready: bool,
    },

    /// The kernel ended it. Its log was printed.
    #[error(
        "the server was killed at its memory limit of {}{}",
        human_bytes(u64::try_from(*limit).unwrap_or(0)),
        when(*ready)
    )]
    #[diagnostic(help("raise `[resources] memory.limit`: a pod would be killed as well"))]
    OutOfMemory {
        /// In bytes.
        limit: i64,
        /// Whether it had been ready.
        ready: bool,
    },

    /// It runs and never says that it is ready. Its log was printed.
    #[error("the server was not ready within {budget} s: {reason}")]
    #[diagnostic(help(
        "its log stands above; `[probes] startup.budget` is how long a pod may take, and the Docker engine must run on this machine"
    ))]
    NeverReady {
        /// The startup probe's budget, in seconds.
        budget: u32,
        /// What came of the last look.
        reason: String,
    },

    /// It refused a text when there was no other.
    #[error("the server answered {status} to a text of {characters} characters: {body}")]
    #[diagnostic(help("no other request was sent: this is not an overload"))]
    Refused {
        /// HTTP status code.
        status: u16,
        /// Length of the text.
        characters: usize,
        /// What it said.
        body: String,
    },

    /// It runs, and the connection broke.
    #[error("the server gave no answer to a text of {characters} characters")]
    #[diagnostic(help("it still runs; is this machine so busy that it took over two minutes?"))]
    NoAnswer {
        /// Length of the text.
        characters: usize,
    },

    /// No rate meets the objective.
    #[error(
        "at {rate:.2} requests a second, the fewest that were tried, not 95 of 100 were answered within {objective:?}"
    )]
    #[diagnostic(help(
        "a text of {characters} characters alone takes {alone:?}: raise --objective, or the CPU limit"
    ))]
    OutOfReach {
        /// The lowest rate.
        rate: f64,
        /// The objective.
        objective: std::time::Duration,
        /// Length of the texts.
        characters: usize,
        /// Service time of one.
        alone: std::time::Duration,
    },

    /// Ctrl-C.
    #[error("interrupted; the container was removed, and no profile was written")]
    #[diagnostic(help("run the command again: it takes a minute or two"))]
    Interrupted,
}

fn when(ready: bool) -> &'static str {
    if ready {
        ", under load"
    } else {
        " before it was ready"
    }
}
