//! The API key: one secret in a mounted file, which may change while the server runs.

use std::path::PathBuf;

/// Where the key is.
#[derive(Debug, Clone)]
pub struct ApiKey {
    file: PathBuf,
}

impl ApiKey {
    /// Takes the key's file.
    ///
    /// # Errors
    /// A file that cannot be read, or holds no key.
    pub fn in_file(file: PathBuf) -> Result<Self, String> {
        let key = Self { file };
        key.read()?;
        Ok(key)
    }

    /// Read each time: a Secret's file changes when the Secret does, and a small file costs microseconds.
    pub(super) fn read(&self) -> Result<Vec<u8>, String> {
        let file = self.file.display();
        let bytes = std::fs::read(&self.file)
            .map_err(|error| format!("cannot read the API key file {file}: {error}"))?;
        let key = bytes.trim_ascii().to_vec();
        if key.is_empty() {
            return Err(format!("the API key file {file} is empty"));
        }
        Ok(key)
    }
}
