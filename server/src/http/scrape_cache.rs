//! One page of metrics for all scrapes that wait for one.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// After a page no other is made for so many times as long as it took: callers that ask again and again take a tenth of
/// a core at most.
const REST: u32 = 9;

/// The page of the metrics: made once for all who asked before it was begun, so that none of them reads an old one.
#[derive(Debug, Clone, Default)]
pub struct ScrapeCache(Arc<Mutex<Option<Made>>>);

#[derive(Debug)]
struct Made {
    text: Bytes,
    began: Instant,
    took: Duration,
}

impl ScrapeCache {
    /// The page, as it is now.
    pub(super) async fn text(&self, make: impl FnOnce() -> String) -> Bytes {
        let asked = Instant::now();
        let mut made = self.0.lock().await;
        if let Some(last) = made.as_ref() {
            if last.began >= asked {
                return last.text.clone();
            }
            tokio::time::sleep_until(last.began + last.took * (1 + REST)).await;
        }
        let began = Instant::now();
        let text = Bytes::from(make());
        *made = Some(Made {
            text: text.clone(),
            began,
            took: began.elapsed(),
        });
        text
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::future::join_all;

    use super::*;

    const TAKES: Duration = Duration::from_millis(2);

    /// Each sees what was there when it asked, and all of them cost a tenth of the time.
    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the time that a page takes; the bound below counts the time that passed"
    )]
    fn a_crowd_shares_pages_that_are_no_older_than_its_questions() {
        let (page, count) = (ScrapeCache::default(), Cell::new(0));
        let ask = async || {
            let before = count.get();
            let make = || {
                std::thread::sleep(TAKES);
                count.set(count.get() + 1);
                count.get().to_string()
            };
            let text = page.text(make).await;
            let number: u32 = std::str::from_utf8(&text)
                .expect("UTF-8")
                .parse()
                .expect("a number");
            assert!(number > before, "{number} was made before it was asked for");
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let began = Instant::now();
        runtime.expect("a runtime").block_on(async {
            ask().await;
            ask().await;
            join_all((0..1_000).map(|_| ask())).await;
        });
        let most = 1.0 + began.elapsed().as_secs_f64() / (TAKES * (1 + REST)).as_secs_f64();
        assert!(f64::from(count.get()) <= most, "{} pages", count.get());
    }
}
