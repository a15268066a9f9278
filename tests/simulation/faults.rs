//! What goes wrong at AWS, as data.

use std::pin::Pin;
use std::task::Poll;

use aws_simulator::{Fault, FaultKind};
use rand::rngs::StdRng;

use crate::estate::one;

/// A way in which a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// This error is answered, without effect.
    Error(&'static str),
    /// The connection is reset before the effect.
    Reset,
    /// It is reset after the effect.
    ResetAfter,
    /// No answer.
    Hang,
    /// The effect, and no answer.
    HangAfter,
    /// Half of the answer, as if it were all.
    Malformed,
    /// Half of the answer, and the connection is lost.
    Cut,
    /// An answer without a body.
    Empty,
    /// The first page of a list again.
    FirstPage,
}

impl Way {
    pub(crate) const ALL: [Self; 13] = [
        Self::Error("Throttling"),
        Self::Error("ServiceFailure"),
        Self::Error("ServiceUnavailable"),
        Self::Error("ExpiredToken"),
        Self::Error("AccessDenied"),
        Self::Reset,
        Self::ResetAfter,
        Self::Hang,
        Self::HangAfter,
        Self::Malformed,
        Self::Cut,
        Self::Empty,
        Self::FirstPage,
    ];

    /// Whether it strikes once the call was carried out.
    pub(crate) fn is_after_effect(self) -> bool {
        matches!(self, Self::ResetAfter | Self::HangAfter)
    }

    pub(crate) fn fault(self) -> Fault {
        match self {
            Self::Error(code) => Fault::new(FaultKind::error(code)),
            Self::Reset => Fault::new(FaultKind::Reset),
            Self::ResetAfter => Fault::new(FaultKind::Reset).after_effect(),
            Self::Hang => Fault::new(FaultKind::Hang),
            Self::HangAfter => Fault::new(FaultKind::Hang).after_effect(),
            Self::Malformed => Fault::new(FaultKind::MalformedBody),
            Self::Cut => Fault::new(FaultKind::CutBody),
            Self::Empty => Fault::new(FaultKind::EmptyBody),
            Self::FirstPage => Fault::new(FaultKind::FirstPage),
        }
    }
}

/// Any fault at all, for one run.
pub(crate) fn any_fault(rng: &mut StdRng) -> Fault {
    let operations = [
        "*",
        "Get*",
        "List*",
        "Generate*",
        "Update*",
        "Detach*",
        "Attach*",
        "Put*",
        "GetAccountAuthorizationDetails",
        "GetCredentialReport",
        "ListAccessKeys",
        "GetCallerIdentity",
    ];
    let mut fault = one(rng, &Way::ALL).fault().on(one(rng, &operations));
    fault.nth = one(rng, &[1, 1, 2, 3, 5, 9]);
    fault.times = one(rng, &[Some(1), Some(1), Some(3), None]);
    fault
}

/// The future's answer; `None`: it was given up after so many steps.
pub(crate) async fn at_most_steps<F: Future>(mut work: Pin<Box<F>>, steps: u32) -> Option<F::Output> {
    let mut taken = 0;
    std::future::poll_fn(move |context| {
        if taken >= steps {
            return Poll::Ready(None);
        }
        taken += 1;
        work.as_mut().poll(context).map(Some)
    })
    .await
}
