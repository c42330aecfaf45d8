//! The context as a tar stream: sorted, with normalised headers, never as a whole in memory (a model has 400 MB).

use std::fs::File;
use std::io::{self, Read, Write};

use super::carried;
use super::context::{Content, Entry, FileContent, Source};
use super::error::Error;

/// What ended the archive early.
#[derive(Debug)]
pub enum Broken {
    /// Our side: a file is gone, unreadable, or not what was hashed.
    Source(Error),
    /// The other side takes nothing more; it knows why.
    Sink(io::Error),
}

/// Writes the entries as a tar archive.
///
/// `modified` (seconds since 1970) stands on every entry. It must not lie before the last build: build tools with a
/// cache mount (cargo, make) compare times, and would take changed sources with a constant old time for unchanged ones.
/// BuildKit's own cache looks at contents only, so that a new time costs nothing.
///
/// # Errors
/// [`Broken`]; the archive is then not complete and must not be used.
pub fn write(entries: &[Entry], modified: u64, sink: impl Write) -> Result<(), Broken> {
    let mut archive = tar::Builder::new(sink);
    for entry in entries {
        let mut header = header(&entry.content, modified);
        append(&mut archive, &mut header, entry)?;
    }
    archive
        .into_inner()
        .and_then(|mut sink| sink.flush())
        .map_err(Broken::Sink)
}

fn header(content: &Content, modified: u64) -> tar::Header {
    let (kind, mode, size) = match content {
        Content::Folder => (tar::EntryType::Directory, 0o755, 0),
        Content::Link { .. } => (tar::EntryType::Symlink, 0o777, 0),
        Content::File(file) => {
            let mode = if file.executable { 0o755 } else { 0o644 };
            (tar::EntryType::Regular, mode, file.size)
        }
    };
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(modified);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn append<W: Write>(
    archive: &mut tar::Builder<W>,
    header: &mut tar::Header,
    entry: &Entry,
) -> Result<(), Broken> {
    match &entry.content {
        Content::Folder => archive
            .append_data(header, format!("{}/", entry.path), io::empty())
            .map_err(Broken::Sink),
        Content::Link { target } => archive
            .append_link(header, &entry.path, target)
            .map_err(Broken::Sink),
        Content::File(file) => append_file(archive, header, &entry.path, file),
    }
}

fn append_file<W: Write>(
    archive: &mut tar::Builder<W>,
    header: &mut tar::Header,
    path: &str,
    file: &FileContent,
) -> Result<(), Broken> {
    let mut reader = HashedReader::open(file).map_err(Broken::Source)?;
    let appended = archive.append_data(header, path, &mut reader);
    reader.verify().map_err(Broken::Source)?;
    appended.map_err(Broken::Sink)
}

/// Reads exactly as much as was hashed, and hashes again: the tag promises that content and no other.
struct HashedReader<'a> {
    expected: &'a FileContent,
    file: io::Take<Box<dyn Read>>,
    hasher: blake3::Hasher,
    failure: Option<io::Error>,
}

impl<'a> HashedReader<'a> {
    fn open(expected: &'a FileContent) -> Result<Self, Error> {
        let file: Box<dyn Read> = match &expected.source {
            Source::Disk(path) => {
                Box::new(File::open(path).map_err(|error| Error::unreadable(path, error))?)
            }
            Source::Carried(bytes) => Box::new(&carried::contents()[bytes.clone()]),
        };
        Ok(Self {
            expected,
            file: file.take(expected.size),
            hasher: blake3::Hasher::new(),
            failure: None,
        })
    }

    /// What our side did wrong, if anything. A sink that stopped early leaves the rest unread, which is no change.
    fn verify(self) -> Result<(), Error> {
        // What the tool carries is neither unreadable nor changed.
        let Source::Disk(path) = &self.expected.source else {
            return Ok(());
        };
        if let Some(error) = self.failure {
            return Err(Error::unreadable(path, error));
        }
        let reached_the_end = self.file.limit() == 0 || at_end(self.file.into_inner());
        if reached_the_end && self.hasher.finalize() != self.expected.hash {
            return Err(Error::Changed { path: path.clone() });
        }
        Ok(())
    }
}

fn at_end(mut file: impl Read) -> bool {
    matches!(file.read(&mut [0]), Ok(0))
}

impl Read for HashedReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.file.read(buffer) {
            Ok(count) => {
                self.hasher.update(&buffer[..count]);
                Ok(count)
            }
            Err(error) => {
                self.failure = Some(io::Error::new(error.kind(), error.to_string()));
                Err(error)
            }
        }
    }
}
