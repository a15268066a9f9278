//! The closed sets of label values.

/// A closed set of label values: each with its word, and a list of all.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant),+
        }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in metrics.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }
    };
}

label! {
    /// How an action ended.
    ActionOutcome {
        /// The change was made.
        Applied = "applied",
        /// It is known that the change was not made.
        NotApplied = "not_applied",
        /// The world had moved since the plan, so it was skipped.
        Stale = "stale",
        /// The call failed.
        Failed = "failed",
        /// It was due and held back: by guardrail, freeze, dry run, lease or missing consent.
        Held = "held",
        /// The change was undone.
        RolledBack = "rolled_back",
    }
}

label! {
    /// How a call to AWS ended.
    CallResult {
        /// It answered.
        Ok = "ok",
        /// It was turned away for being one too many.
        Throttled = "throttled",
        /// Rights are missing.
        Denied = "denied",
        /// Any other error.
        Error = "error",
    }
}

label! {
    /// How a run ended.
    RunResult {
        /// It came to its end.
        Completed = "completed",
        /// It failed.
        Failed = "failed",
        /// It was stopped by a shutdown and goes on at the next start.
        Interrupted = "interrupted",
    }
}

label! {
    /// How reading the configuration again ended.
    ReloadResult {
        /// The new one is in force.
        Adopted = "adopted",
        /// The old one stays.
        Refused = "refused",
    }
}

label! {
    /// Where a message stands.
    OutboxState {
        /// Waits for a try.
        Pending = "pending",
        /// Given up.
        Dead = "dead",
    }
}
