//! How large an image is, asked of its registry: the layers stay where they are.

use bytes::Bytes;
use futures::TryStreamExt;
use futures::future::try_join_all;
use oci_client::Reference;
use oci_client::client::{BlobResponse, Client};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::OciDescriptor;

use super::error::Error;
use super::registry::Registry;
use crate::rules::ImageSize;

/// The image's size, by its manifest and its layers' last bytes.
///
/// # Errors
/// A registry that does not answer or refuses, or does not have the image.
pub async fn size(reference: &str) -> Result<ImageSize, Error> {
    let registry = Registry::of(reference).await?;
    let (client, image) = (&registry.client, &registry.image);
    let manifest = client.pull_image_manifest(image, &registry.auth).await;
    let (manifest, _) = manifest.map_err(|error| registry.explain(&error))?;
    let layers = manifest.layers.iter();
    let unpacked = try_join_all(layers.map(|layer| unpacked(client, image, layer)))
        .await
        .map_err(|error| registry.explain(&error))?;
    Ok(ImageSize {
        reference: reference.to_owned(),
        compressed: manifest.layers.iter().map(compressed).sum(),
        unpacked: unpacked.into_iter().sum(),
    })
}

fn compressed(layer: &OciDescriptor) -> u64 {
    u64::try_from(layer.size).unwrap_or(0)
}

/// gzip ends with the length of what it holds, modulo 4 GiB.
const TRAILER: u64 = 4;

/// A larger layer may hold more than gzip can count.
const LARGEST: u64 = 1 << 29;

async fn unpacked(
    client: &Client,
    image: &Reference,
    layer: &OciDescriptor,
) -> Result<Option<u64>, OciDistributionError> {
    let compressed = compressed(layer);
    if layer.media_type.ends_with("tar") {
        return Ok(Some(compressed));
    }
    if !layer.media_type.ends_with("gzip") || !(TRAILER..=LARGEST).contains(&compressed) {
        return Ok(None);
    }
    let start = compressed - TRAILER;
    let answer = client.pull_blob_stream_partial(image, layer, start, Some(TRAILER));
    match answer.await? {
        BlobResponse::Partial(part) => {
            let bytes: Vec<Bytes> = part.stream.try_collect().await?;
            Ok(length(&bytes.concat(), compressed))
        }
        // A registry without ranges: the whole layer is not worth its download.
        BlobResponse::Full(_) => Ok(None),
    }
}

/// A layer of several gzip members tells only the last one's length, which shows when the whole is larger.
fn length(trailer: &[u8], compressed: u64) -> Option<u64> {
    let length = u64::from(u32::from_le_bytes(trailer.try_into().ok()?));
    // What does not compress grows a little.
    (length + length / 100 + 64 >= compressed).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trailer_is_the_length_unless_it_cannot_be() {
        assert_eq!(length(&[0, 0, 1, 0], 20_000), Some(65_536));
        assert_eq!(length(&[0, 0, 1, 0], 66_000), Some(65_536));
        assert_eq!(length(&[0, 0, 0, 0], 20_000), None);
        assert_eq!(length(&[0, 0], 20_000), None);
    }
}
