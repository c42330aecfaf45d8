//! A head that names both a length and a transfer coding. hyper drops the length without a word (RFC 9112, 6.1 allows
//! that and refusing); a proxy before this server may have believed it, so the request is refused.

/// Looks at a head as its bytes come.
#[derive(Debug, Default)]
pub(super) struct Framing {
    /// The line's beginning in lower case, up to its colon.
    name: [u8; LONGEST],
    length: usize,
    is_named: bool,
    has_length: bool,
    has_coding: bool,
    is_complete: bool,
}

const LENGTH: &[u8] = b"content-length";
const CODING: &[u8] = b"transfer-encoding";
const LONGEST: usize = CODING.len();

impl Framing {
    /// Takes what came, and says whether the head up to here is ambiguous. What follows the head is passed over.
    pub(super) fn is_ambiguous(&mut self, bytes: &[u8]) -> bool {
        for &byte in bytes {
            if self.is_complete {
                break;
            }
            self.take(byte);
        }
        self.has_length && self.has_coding
    }

    fn take(&mut self, byte: u8) {
        match byte {
            b'\r' => (),
            b'\n' => {
                self.is_complete = self.length == 0;
                (self.length, self.is_named) = (0, false);
            }
            b':' if !self.is_named => {
                self.is_named = true;
                let name = self.name.get(..self.length).unwrap_or_default();
                self.has_length |= name == LENGTH;
                self.has_coding |= name == CODING;
            }
            _ => {
                if let Some(place) = self.name.get_mut(self.length) {
                    *place = byte.to_ascii_lowercase();
                }
                // One beyond the longest: then it is neither.
                self.length = (self.length + 1).min(LONGEST + 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_both_together_are_ambiguous() {
        for (head, expected) in [
            (
                "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
                true,
            ),
            (
                "POST / HTTP/1.1\r\nTRANSFER-ENCODING: chunked\r\nx: 1\r\ncontent-length: 5\r\n\r\n",
                true,
            ),
            (
                "POST / HTTP/1.1\ncontent-length:5\ntransfer-encoding:chunked\n\n",
                true,
            ),
            (
                "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
                false,
            ),
            (
                "POST / HTTP/1.1\r\nx-content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
                false,
            ),
            (
                "POST / HTTP/1.1\r\nx: content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
                false,
            ),
            (
                "POST / HTTP/1.1\r\ncontent-lengths: 5\r\ntransfer-encoding: chunked\r\n\r\n",
                false,
            ),
            (
                "POST / HTTP/1.1\r\ncontent-length: 30\r\n\r\ntransfer-encoding: chunked\r\n",
                false,
            ),
        ] {
            assert_eq!(
                Framing::default().is_ambiguous(head.as_bytes()),
                expected,
                "{head}"
            );
            let mut by_bytes = Framing::default();
            let mut last = false;
            for byte in head.bytes() {
                last = by_bytes.is_ambiguous(&[byte]);
            }
            assert_eq!(last, expected, "byte by byte: {head}");
        }
    }
}
