//! Where a connection stands: what bounds its time, and whether its place may be given to another.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// How long an idle connection is kept. Above the 60 s for which proxies keep theirs: one that is closed while a proxy
/// sends on it is a failed request.
const IDLE: Duration = Duration::from_secs(75);
/// Time for a request's head, from its first byte.
const HEAD: Duration = Duration::from_secs(10);
/// Time for an answer, until the caller's side has taken all of it.
const ANSWER: Duration = Duration::from_secs(30);
/// Time for the rest of a body that is read only so that its sender sees the answer.
const CLOSING: Duration = Duration::from_secs(10);
/// A body that takes longer than this loses its place when places run out.
const BODY_GRACE: Duration = Duration::from_secs(10);
/// How often a connection's deadline is checked.
const CHECK: Duration = Duration::from_secs(1);

/// What happens on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing was sent since the last answer.
    Idle,
    /// A head began.
    Head,
    /// A body is awaited; `http::body` bounds its time.
    Body,
    /// The request is here whole.
    Work,
    /// The answer is being written.
    Answer,
    /// The answer is written, and the rest of the request is thrown away.
    Closing,
}

impl Phase {
    fn patience(self) -> Option<Duration> {
        match self {
            Phase::Idle => Some(IDLE),
            Phase::Head => Some(HEAD),
            Phase::Answer => Some(ANSWER),
            Phase::Closing => Some(CLOSING),
            Phase::Body | Phase::Work => None,
        }
    }
}

#[derive(Debug)]
struct State {
    phase: Phase,
    since: Instant,
    /// Bytes of the request's body may still come.
    is_body_unread: bool,
    is_framing_ambiguous: bool,
    /// Interim answers are unknown to HTTP/1.0.
    knows_interim: bool,
}

/// A connection as its task, its socket and its handlers see it.
#[derive(Debug)]
pub(super) struct Line {
    state: Mutex<State>,
    written: Notify,
    lost_place: Notify,
    /// It has no usual place: only probes are answered.
    pub(super) is_reserve: bool,
}

impl Line {
    pub(super) fn new(is_reserve: bool) -> Self {
        let state = State {
            phase: Phase::Idle,
            since: Instant::now(),
            is_body_unread: false,
            is_framing_ambiguous: false,
            knows_interim: false,
        };
        Self {
            state: Mutex::new(state),
            written: Notify::new(),
            lost_place: Notify::new(),
            is_reserve,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn phase(&self) -> Phase {
        self.state().phase
    }

    pub(super) fn enter(&self, phase: Phase) {
        let mut state = self.state();
        if state.phase != phase {
            (state.phase, state.since) = (phase, Instant::now());
        }
    }

    /// Bytes came from the caller.
    pub(super) fn received(&self) {
        if self.phase() == Phase::Idle {
            self.enter(Phase::Head);
        }
    }

    /// A head names both a length and a transfer coding: proxies may disagree about where the request ends.
    pub(super) fn framing_is_ambiguous(&self) {
        self.state().is_framing_ambiguous = true;
    }

    pub(super) fn is_framing_ambiguous(&self) -> bool {
        self.state().is_framing_ambiguous
    }

    /// A request's head was read. Waits for the answer before it, so that of a caller who never reads one is kept.
    pub(super) async fn asked(&self, has_body: bool, knows_interim: bool) {
        while self.phase() == Phase::Answer {
            self.written.notified().await;
        }
        self.enter(if has_body { Phase::Body } else { Phase::Work });
        let mut state = self.state();
        state.is_body_unread = has_body;
        state.knows_interim = knows_interim;
    }

    /// The request's body was read to its end.
    pub(super) fn body_ended(&self) {
        self.enter(Phase::Work);
        self.state().is_body_unread = false;
    }

    pub(super) fn is_body_unread(&self) -> bool {
        self.state().is_body_unread
    }

    pub(super) fn knows_interim(&self) -> bool {
        self.state().knows_interim
    }

    /// All that was to be written went to the socket.
    pub(super) fn flushed(&self) {
        if self.phase() == Phase::Answer {
            self.enter(Phase::Idle);
            self.written.notify_one();
        }
    }

    /// Since when the server waits for its caller, if it is time to give the place to another.
    pub(super) fn replaceable_since(&self, now: Instant) -> Option<Instant> {
        let state = self.state();
        let waits = match state.phase {
            Phase::Idle | Phase::Head | Phase::Closing => true,
            Phase::Body => now.duration_since(state.since) >= BODY_GRACE,
            Phase::Work | Phase::Answer => false,
        };
        waits.then_some(state.since)
    }

    pub(super) fn lose_place(&self) {
        self.lost_place.notify_one();
    }

    /// Ends when the connection must: its time is over, or another got its place.
    pub(super) async fn ended(&self) -> &'static str {
        tokio::select! {
            () = self.lost_place.notified() => "another connection needed its place",
            () = self.overdue() => "timeout",
        }
    }

    /// Checked at intervals: a timer for each step would be set anew several times a request.
    async fn overdue(&self) {
        while !self.is_overdue(Instant::now()) {
            tokio::time::sleep(CHECK).await;
        }
    }

    fn is_overdue(&self, now: Instant) -> bool {
        let state = self.state();
        let patience = state.phase.patience();
        patience.is_some_and(|patience| now.duration_since(state.since) >= patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Duration = Duration::from_secs(3_600);

    #[test]
    fn only_the_callers_own_slowness_costs_a_place() {
        for (phase, is_replaceable) in [
            (Phase::Idle, true),
            (Phase::Head, true),
            (Phase::Body, false),
            (Phase::Work, false),
            (Phase::Answer, false),
            (Phase::Closing, true),
        ] {
            let line = Line::new(false);
            line.enter(phase);
            let since = line.replaceable_since(Instant::now());
            assert_eq!(since.is_some(), is_replaceable, "{phase:?}");
        }
        let line = Line::new(false);
        line.enter(Phase::Body);
        assert!(
            line.replaceable_since(Instant::now() + BODY_GRACE)
                .is_some()
        );
    }

    #[test]
    fn every_wait_for_a_caller_ends() {
        for (phase, ends) in [
            (Phase::Idle, true),
            (Phase::Head, true),
            (Phase::Body, false),
            (Phase::Work, false),
            (Phase::Answer, true),
            (Phase::Closing, true),
        ] {
            let line = Line::new(false);
            line.enter(phase);
            assert!(!line.is_overdue(Instant::now()), "{phase:?}");
            assert_eq!(line.is_overdue(Instant::now() + LATER), ends, "{phase:?}");
        }
    }

    /// Bytes that trickle in do not begin the head's time anew.
    #[test]
    fn a_head_has_one_beginning() {
        let line = Line::new(false);
        line.received();
        let since = line.state().since;
        line.received();
        assert_eq!((line.phase(), line.state().since), (Phase::Head, since));
    }
}
