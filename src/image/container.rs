//! The engine's containers: create, start, look, remove. Beside `docker.rs` the only file that talks to the engine.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use bollard::Docker;
use bollard::models::{
    ContainerCreateBody, ContainerStatsResponse, HostConfig, Mount as EngineMount, MountType,
    PortBinding,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, LogsOptionsBuilder,
    RemoveContainerOptionsBuilder, StatsOptionsBuilder,
};
use futures::StreamExt;
use tempfile::TempDir;

use super::docker::{Engine, refused, unique};
use super::error::Error;
use crate::permissions;

/// Label by which a container that was left behind (the tool was killed) is found.
const LABEL: &str = "dev.uninlu.rehearse";

/// What to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Image, by tag or digest.
    pub image: String,
    /// Variables besides the image's own.
    pub env: Vec<(String, String)>,
    /// `uid:gid`
    pub user: String,
    /// Most CPU time, in thousandths of a second per second; `None` is unbounded.
    pub cpu: Option<i64>,
    /// Most memory, in bytes, without any swap; `None` is unbounded.
    pub memory: Option<i64>,
    /// Whether the root file system is read-only.
    pub read_only: bool,
    /// Capabilities that are taken away.
    pub drop: Vec<String>,
    /// Whether no process may gain rights.
    pub no_new_privileges: bool,
    /// What is mounted, by its folder in the container.
    pub mounts: BTreeMap<String, Mount>,
    /// Port on which it listens.
    pub port: u16,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq)]
pub enum Mount {
    /// Read-only files, by name, with their content.
    Files(BTreeMap<String, String>),
    /// A folder of this machine, read-only.
    Folder(PathBuf),
    /// Room for temporary files, in bytes.
    Scratch(i64),
}

/// What the engine's machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// In thousandths of a CPU.
    pub cpu: i64,
    /// In bytes.
    pub memory: i64,
}

/// What a container has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time since its start.
    pub cpu: Duration,
    /// Memory now, in bytes, as the kubelet counts it: without file pages that were not used for a while.
    pub memory: u64,
}

/// How a container ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// Its process' exit code.
    pub code: i64,
    /// Whether the kernel ended it at its memory limit.
    pub out_of_memory: bool,
}

/// A container of the engine. Whoever made it removes it.
pub struct Container {
    docker: Docker,
    name: String,
    port: String,
    /// The files that are mounted.
    _files: TempDir,
}

impl Engine {
    /// CPUs and memory of the engine's machine.
    ///
    /// # Errors
    /// An engine that cannot say.
    pub async fn machine(&self) -> Result<Machine, Error> {
        let info = self.docker.info().await;
        let info = info.map_err(|error| refused("describe its machine", &error))?;
        Ok(Machine {
            cpu: info.ncpu.unwrap_or(0) * 1000,
            memory: info.mem_total.unwrap_or(0),
        })
    }

    /// Creates a container; nothing runs yet.
    ///
    /// # Errors
    /// Files that cannot be written for it; an engine that refuses it.
    pub async fn create(&self, spec: &Spec) -> Result<Container, Error> {
        let files = files(&spec.mounts).map_err(|source| {
            let folder = std::env::temp_dir();
            Error::Unwritable { folder, source }
        })?;
        let name = unique("uninlu-rehearse");
        let port = format!("{}/tcp", spec.port);
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        let body = body(spec, &port, &files);
        let created = self.docker.create_container(Some(options), body).await;
        created.map_err(|error| refused("create a container", &error))?;
        Ok(Container {
            docker: self.docker.clone(),
            name,
            port,
            _files: files,
        })
    }
}

impl Container {
    /// Starts it; gives the address on this machine at which its port is reached, which the engine chooses.
    ///
    /// # Errors
    /// An engine that cannot start it, or publishes no port.
    pub async fn start(&self) -> Result<SocketAddr, Error> {
        let started = self.docker.start_container(&self.name, None).await;
        started.map_err(|error| refused("start the container", &error))?;
        let found = self.inspect().await?;
        let ports = found.network_settings.and_then(|network| network.ports);
        let port = ports
            .as_ref()
            .and_then(|ports| ports.get(&self.port)?.as_ref()?.first())
            .and_then(|binding| binding.host_port.as_ref()?.parse().ok());
        // A process that ended at once has no ports any more; the caller asks how it ended.
        Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port.unwrap_or(0))))
    }

    /// How it ended; `None` while it runs.
    ///
    /// # Errors
    /// An engine that cannot say.
    pub async fn exit(&self) -> Result<Option<Exit>, Error> {
        let state = self.inspect().await?.state.unwrap_or_default();
        let exit = Exit {
            code: state.exit_code.unwrap_or(0),
            out_of_memory: state.oom_killed.unwrap_or(false),
        };
        Ok((state.running == Some(false)).then_some(exit))
    }

    /// What it has used so far, from its control group.
    ///
    /// # Errors
    /// An engine that cannot say.
    pub async fn usage(&self) -> Result<Usage, Error> {
        let options = StatsOptionsBuilder::default()
            .stream(false)
            .one_shot(true)
            .build();
        let mut stats = pin!(self.docker.stats(&self.name, Some(options)));
        match stats.next().await {
            Some(Ok(stats)) => Ok(usage(&stats)),
            Some(Err(error)) => Err(refused("measure the container", &error)),
            None => Ok(Usage::default()),
        }
    }

    /// The last lines that it wrote. None where the engine keeps none.
    pub async fn log(&self, lines: usize) -> Vec<String> {
        let options = LogsOptionsBuilder::default()
            .stdout(true)
            .stderr(true)
            .tail(&lines.to_string())
            .build();
        let chunks = self.docker.logs(&self.name, Some(options));
        let chunks: Vec<String> = chunks
            .filter_map(async |chunk| Some(chunk.ok()?.to_string()))
            .collect()
            .await;
        chunks.concat().lines().map(str::to_owned).collect()
    }

    /// Ends and removes it, whatever state it is in.
    ///
    /// # Errors
    /// An engine that does not; the error names the container.
    pub async fn remove(self) -> Result<(), Error> {
        let options = RemoveContainerOptionsBuilder::default()
            .force(true)
            .v(true)
            .build();
        let removed = self
            .docker
            .remove_container(&self.name, Some(options))
            .await;
        let task = format!("remove the container {}", self.name);
        removed.map_err(|error| refused(&task, &error))
    }

    async fn inspect(&self) -> Result<bollard::models::ContainerInspectResponse, Error> {
        let options = None::<InspectContainerOptions>;
        let found = self.docker.inspect_container(&self.name, options).await;
        found.map_err(|error| refused("look at the container", &error))
    }
}

fn body(spec: &Spec, port: &str, files: &TempDir) -> ContainerCreateBody {
    let (folders, scratch): (Vec<_>, Vec<_>) = spec
        .mounts
        .iter()
        .enumerate()
        .partition(|(_, (_, mount))| !matches!(mount, Mount::Scratch(_)));
    let folders = folders.into_iter().map(|(number, (target, mount))| {
        let source = match mount {
            Mount::Folder(folder) => folder.clone(),
            _ => files.path().join(number.to_string()),
        };
        EngineMount {
            target: Some(target.clone()),
            source: Some(source.display().to_string()),
            typ: Some(MountType::BIND),
            read_only: Some(true),
            ..EngineMount::default()
        }
    });
    let scratch = scratch
        .into_iter()
        .filter_map(|(_, (target, mount))| match mount {
            // Executable, as an emptyDir is.
            Mount::Scratch(bytes) => Some((
                target.clone(),
                format!("rw,exec,nosuid,nodev,mode=1777,size={bytes}"),
            )),
            _ => None,
        });
    // Port 0: the engine chooses one that is free.
    let binding = PortBinding {
        host_ip: Some(Ipv4Addr::LOCALHOST.to_string()),
        host_port: Some("0".to_owned()),
    };
    let host = HostConfig {
        nano_cpus: spec.cpu.map(|milli| milli * 1_000_000),
        memory: spec.memory,
        // Memory and swap together: the same number means no swap, as in a pod.
        memory_swap: spec.memory,
        readonly_rootfs: Some(spec.read_only),
        cap_drop: Some(spec.drop.clone()),
        security_opt: spec
            .no_new_privileges
            .then(|| vec!["no-new-privileges".to_owned()]),
        mounts: Some(folders.collect()),
        tmpfs: Some(scratch.collect()),
        port_bindings: Some(HashMap::from([(port.to_owned(), Some(vec![binding]))])),
        ..HostConfig::default()
    };
    let variable = |(name, value): &(String, String)| format!("{name}={value}");
    ContainerCreateBody {
        image: Some(spec.image.clone()),
        env: Some(spec.env.iter().map(variable).collect()),
        user: Some(spec.user.clone()),
        exposed_ports: Some(vec![port.to_owned()]),
        labels: Some(HashMap::from([(LABEL.to_owned(), String::new())])),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    }
}

/// One folder for each mount of files, named by the mount's number. The container's user is another one, so they are
/// readable by all.
fn files(mounts: &BTreeMap<String, Mount>) -> io::Result<TempDir> {
    let root = TempDir::with_prefix("uninlu-rehearse.")?;
    for (number, mount) in mounts.values().enumerate() {
        let Mount::Files(files) = mount else { continue };
        let folder = root.path().join(number.to_string());
        fs::create_dir(&folder)?;
        for (name, content) in files {
            let file = folder.join(name);
            fs::write(&file, content)?;
            permissions::open_to_all(&file)?;
        }
        permissions::open_to_all(&folder)?;
    }
    Ok(root)
}

fn usage(stats: &ContainerStatsResponse) -> Usage {
    let cpu = stats.cpu_stats.as_ref();
    let cpu = cpu.and_then(|cpu| cpu.cpu_usage.as_ref()?.total_usage);
    let memory = stats.memory_stats.as_ref();
    let used = memory.and_then(|memory| memory.usage).unwrap_or(0);
    // Version 1 of control groups counts a group's children under `total_…`; version 2 always does.
    let idle = memory
        .and_then(|memory| memory.stats.as_ref())
        .and_then(|stats| {
            let named = |name| stats.get(name).copied();
            named("total_inactive_file").or_else(|| named("inactive_file"))
        });
    Usage {
        cpu: Duration::from_nanos(cpu.unwrap_or(0)),
        memory: used.saturating_sub(idle.unwrap_or(0)),
    }
}
