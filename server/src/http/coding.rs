//! What a body is written in: its compression, its charset, its byte order mark.

use std::io::{self, Write};

use axum::http::{HeaderMap, StatusCode, header};
use flate2::write::{DeflateDecoder, GzDecoder, ZlibDecoder};

use super::body_buffer::BodyBuffer;
use super::error::ApiError;

/// The codings that are decoded, as `Accept-Encoding` of a 415 names them.
const ACCEPTED: &str = "gzip, deflate";
/// Bytes that are decoded before other requests get their turn.
const PIECE: usize = 16 << 10;
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
    Deflate,
}

/// The coding that `Content-Encoding` names; one at most.
pub(super) fn named(headers: &HeaderMap) -> Result<Coding, ApiError> {
    let mut coding = Coding::Identity;
    for value in headers.get_all(header::CONTENT_ENCODING) {
        for name in value.to_str().unwrap_or("?").split(',') {
            coding = match (coding, name.trim().to_ascii_lowercase().as_str()) {
                (_, "" | "identity") => coding,
                (Coding::Identity, "gzip" | "x-gzip") => Coding::Gzip,
                (Coding::Identity, "deflate") => Coding::Deflate,
                _ => return Err(unknown_coding()),
            };
        }
    }
    Ok(coding)
}

fn unknown_coding() -> ApiError {
    let message = format!("Content-Encoding must be one of {ACCEPTED}, or absent");
    let error = ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoding", message);
    error.at("Content-Encoding").accepting(ACCEPTED)
}

/// Refuses a charset that is named and is none of UTF-8's subsets.
pub(super) fn check_charset(headers: &HeaderMap) -> Result<(), ApiError> {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.map_or(Ok(""), |value| value.to_str()).unwrap_or("");
    let charset = kind.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_charset = name.trim().eq_ignore_ascii_case("charset");
        is_charset.then(|| value.trim().trim_matches('"').to_ascii_lowercase())
    });
    match charset.as_deref() {
        None | Some("utf-8" | "utf8" | "us-ascii" | "ascii") => Ok(()),
        Some(_) => Err(not_utf8()),
    }
}

fn not_utf8() -> ApiError {
    let message = "the body must be UTF-8 (RFC 8259)";
    ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "charset", message).at("body")
}

/// Refuses UTF-16 and UTF-32, with and without a mark: JSON begins with two ASCII characters, or with one that is all.
pub(super) fn check_unicode(body: &[u8]) -> Result<(), ApiError> {
    let is_wide = matches!(
        body,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, ..] | [_, 0, ..]
    );
    if is_wide {
        return Err(not_utf8());
    }
    Ok(())
}

/// Without UTF-8's byte order mark, which editors on Windows write.
pub(super) fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(UTF8_MARK).unwrap_or(body)
}

/// The decoded body. It has the bounds of one that was sent as it is.
pub(super) async fn decoded(coding: Coding, body: BodyBuffer) -> Result<BodyBuffer, ApiError> {
    let sink = Sink {
        received: body.emptied(),
        refused: None,
    };
    match coding {
        Coding::Identity => Ok(body),
        Coding::Gzip => inflate(GzDecoder::new(sink), body.bytes()).await,
        Coding::Deflate if is_zlib(body.bytes()) => {
            inflate(ZlibDecoder::new(sink), body.bytes()).await
        }
        Coding::Deflate => inflate(DeflateDecoder::new(sink), body.bytes()).await,
    }
}

/// `deflate` is zlib's format (RFC 9110, 8.4.1.2), and some send the bare stream. zlib's first two bytes are a multiple
/// of 31 and name method 8 (RFC 1950); no bare stream begins like that, since its padding is zero.
fn is_zlib(body: &[u8]) -> bool {
    let [first, second, ..] = *body else {
        return false;
    };
    first & 0x0f == 8 && u16::from_be_bytes([first, second]) % 31 == 0
}

async fn inflate(mut decoder: impl Inflate, body: &[u8]) -> Result<BodyBuffer, ApiError> {
    for piece in body.chunks(PIECE) {
        if decoder.write_all(piece).is_err() {
            return Err(decoder.sink().refused.take().unwrap_or_else(broken));
        }
        tokio::task::yield_now().await;
    }
    let ended = decoder.end();
    let sink = decoder.sink();
    if let Some(refused) = sink.refused.take() {
        return Err(refused);
    }
    ended.map_err(|_| broken())?;
    let empty = sink.received.emptied();
    Ok(std::mem::replace(&mut sink.received, empty))
}

fn broken() -> ApiError {
    let message = "the body is not in the format that Content-Encoding names, or is incomplete";
    ApiError::malformed("body", message).logged("the body cannot be decompressed")
}

/// Where the decoded bytes go.
#[derive(Debug)]
struct Sink {
    received: BodyBuffer,
    refused: Option<ApiError>,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.received.extend(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(error) => {
                self.refused = Some(error);
                Err(io::ErrorKind::FileTooLarge.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

trait Inflate: Write {
    fn sink(&mut self) -> &mut Sink;
    fn end(&mut self) -> io::Result<()>;
}

macro_rules! inflate {
    ($($decoder:ident),*) => {
        $(impl Inflate for $decoder<Sink> {
            fn sink(&mut self) -> &mut Sink {
                self.get_mut()
            }

            fn end(&mut self) -> io::Result<()> {
                self.try_finish()
            }
        })*
    };
}

inflate!(GzDecoder, ZlibDecoder, DeflateDecoder);

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::super::body_buffer::{BODY_LIMIT, BodyMemory};
    use super::*;

    const TEXT: &[u8] = "{\"text\": \"小明\"}".as_bytes();

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).expect("memory");
        encoder.finish().expect("memory")
    }

    fn zlib(text: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).expect("memory");
        encoder.finish().expect("memory")
    }

    fn bare(text: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::none());
        encoder.write_all(text).expect("memory");
        encoder.finish().expect("memory")
    }

    fn decode(coding: Coding, body: &[u8]) -> Result<Vec<u8>, StatusCode> {
        let mut received = BodyBuffer::new(BodyMemory::default());
        received.extend(body).expect("within the bound");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        runtime
            .block_on(decoded(coding, received))
            .map(|body| body.bytes().to_vec())
            .map_err(|error| error.status())
    }

    #[test]
    fn what_is_compressed_comes_out() {
        for (coding, body) in [
            (Coding::Identity, TEXT.to_vec()),
            (Coding::Gzip, gzip(TEXT)),
            (Coding::Deflate, zlib(TEXT)),
            (Coding::Deflate, bare(TEXT)),
        ] {
            assert_eq!(decode(coding, &body).as_deref(), Ok(TEXT), "{coding:?}");
        }
    }

    #[test]
    fn what_decodes_to_too_much_is_too_large() {
        let bomb = vec![b' '; 64 << 20];
        for (coding, body) in [(Coding::Gzip, gzip(&bomb)), (Coding::Deflate, zlib(&bomb))] {
            assert_eq!(decode(coding, &body), Err(StatusCode::PAYLOAD_TOO_LARGE));
        }
        let just = vec![b' '; BODY_LIMIT];
        assert_eq!(
            decode(Coding::Gzip, &gzip(&just)).map(|body| body.len()),
            Ok(BODY_LIMIT)
        );
    }

    #[test]
    fn what_is_not_what_it_says_is_malformed() {
        let whole = gzip(TEXT);
        let cut = &whole[..whole.len() - 9];
        let more = [&whole[..], b"more"].concat();
        let twice = [&whole[..], &whole[..]].concat();
        for (coding, body) in [
            (Coding::Gzip, TEXT),
            (Coding::Gzip, b""),
            (Coding::Gzip, cut),
            (Coding::Gzip, &more),
            (Coding::Gzip, &twice),
            (Coding::Deflate, TEXT),
            (Coding::Deflate, &whole),
        ] {
            assert_eq!(
                decode(coding, body),
                Err(StatusCode::BAD_REQUEST),
                "{coding:?} {body:?}"
            );
        }
    }

    #[test]
    fn one_known_coding_may_be_named() {
        let named = |values: &[&'static str]| {
            let values = values
                .iter()
                .map(|value| (header::CONTENT_ENCODING, HeaderValue::from_static(value)));
            named(&values.collect()).map_err(|error| error.status())
        };
        assert_eq!(named(&[]), Ok(Coding::Identity));
        assert_eq!(named(&["identity"]), Ok(Coding::Identity));
        assert_eq!(named(&["GZip"]), Ok(Coding::Gzip));
        assert_eq!(named(&["x-gzip, identity"]), Ok(Coding::Gzip));
        assert_eq!(named(&["deflate"]), Ok(Coding::Deflate));
        for unknown in [
            &["br"][..],
            &["gzip, gzip"],
            &["gzip", "deflate"],
            &["zstd"],
            &["*"],
        ] {
            assert_eq!(
                named(unknown),
                Err(StatusCode::UNSUPPORTED_MEDIA_TYPE),
                "{unknown:?}"
            );
        }
    }

    #[test]
    fn other_charsets_are_refused() {
        let check = |kind: &'static str| {
            let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(kind))];
            check_charset(&headers.into_iter().collect()).is_ok()
        };
        for kind in [
            "application/json",
            "application/json; charset=UTF-8",
            "a/b;x=y;charset=\"utf8\"",
            "",
        ] {
            assert!(check(kind), "{kind}");
        }
        for kind in [
            "application/json; charset=utf-16",
            "text/plain;Charset = GBK",
            "a/b;charset=latin1",
        ] {
            assert!(!check(kind), "{kind}");
        }
        for body in [
            &b"\xff\xfe{\0"[..],
            b"\xfe\xff\0{",
            b"{\0\"\0",
            b"\0{\0\"",
            b"\0\0\0{",
        ] {
            assert!(check_unicode(body).is_err(), "{body:?}");
        }
        for body in [&b""[..], b"1", b"{}", TEXT, UTF8_MARK] {
            assert!(check_unicode(body).is_ok(), "{body:?}");
        }
        assert_eq!(without_mark(b"\xef\xbb\xbf{}"), b"{}");
    }
}
