//! What a change makes of what is there: old and new, side by side.

mod regional;

use crate::model::{Change, Inverse, PasswordPolicy, Precondition};

/// A field before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// Its name: a field of the password policy, or what changes of a key or an attachment.
    pub(super) name: String,
    /// What it is.
    pub(super) before: String,
    /// What it would be.
    pub(super) after: String,
}

/// A change as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// What is done, in two or three words.
    pub(super) verb: &'static str,
    /// To which key or policy; empty where the resource says it all.
    pub(super) subject: String,
    /// What changes.
    pub(super) changed: Vec<Field>,
    /// What stays as it is, where the change writes a whole.
    pub(super) kept: Vec<(&'static str, String)>,
    /// What a reader should know of the state before.
    pub(super) remark: Option<&'static str>,
}

/// What is known of the state before a change.
#[derive(Debug, Clone, Copy)]
pub(super) enum Before<'a> {
    /// What an action demands of it.
    Demanded(&'a Precondition),
    /// What a proposal would restore; `None`: it could not be undone.
    Restorable(Option<&'a Inverse>),
}

const UNTOLD: &str = "not stated";

/// The verb of each kind of change.
pub(super) fn verb(change: &Change) -> &'static str {
    match change {
        Change::DisableAccessKey { .. } => "disable access key",
        Change::DeleteAccessKey { .. } => "delete access key",
        Change::UpdatePasswordPolicy(_) => "update password policy",
        Change::DetachPolicy { .. } => "detach policy",
        Change::RequireMfa(_) => "require MFA",
        Change::LiftMfaRequirement { .. } => "lift MFA requirement",
        Change::DeleteLoginProfile {} => "delete console password",
        Change::QuarantineRole(_) => "quarantine role",
        Change::Regional(change) => regional::verb(change),
    }
}

impl Difference {
    /// What this change makes of this state.
    pub(super) fn of(change: &Change, before: Before<'_>) -> Self {
        let named = |name: &str, subject: String, before: String, after: &str| Self {
            verb: verb(change),
            subject,
            changed: vec![Field {
                name: name.to_owned(),
                before,
                after: after.to_owned(),
            }],
            kept: Vec::new(),
            remark: None,
        };
        let single = |subject, before, after| named("status", subject, before, after);
        let inline =
            |before: &str, after: &str| named(&change.subject(), String::new(), before.to_owned(), after);
        match change {
            Change::RequireMfa(_) => inline(
                "no such inline policy",
                "denies all but enrolling MFA without MFA",
            ),
            Change::LiftMfaRequirement { .. } => {
                inline("denies all but enrolling MFA without MFA", "removed")
            }
            Change::QuarantineRole(_) => inline("no such inline policy", "denies everything"),
            Change::DeleteLoginProfile {} => {
                named("console password", String::new(), "set".to_owned(), "deleted")
            }
            Change::DisableAccessKey { access_key_id } => {
                single(access_key_id.to_string(), key_status(before), "Inactive")
            }
            Change::DeleteAccessKey { access_key_id } => {
                single(access_key_id.to_string(), key_status(before), "deleted")
            }
            Change::DetachPolicy { policy_arn } => {
                single(policy_arn.to_string(), attachment(before).to_owned(), "detached")
            }
            Change::Regional(change) => regional::difference(change, before),
            Change::UpdatePasswordPolicy(after) => Self::of_password_policy(verb(change), before, after),
        }
    }

    fn of_password_policy(verb: &'static str, before: Before<'_>, after: &PasswordPolicy) -> Self {
        let (old, remark) = match before {
            Before::Demanded(Precondition::PasswordPolicy {
                password_policy: Some(old),
            })
            | Before::Restorable(Some(Inverse::RestorePasswordPolicy(old))) => (Some(old.clone()), None),
            Before::Demanded(Precondition::PasswordPolicy {
                password_policy: None,
            })
            | Before::Restorable(Some(Inverse::DeletePasswordPolicy)) => (
                Some(PasswordPolicy::aws_default()),
                Some(
                    "the account has no policy of its own: AWS's built-in one holds, which also asks for three of \
                     the four character classes",
                ),
            ),
            Before::Demanded(
                Precondition::AccessKey { .. }
                | Precondition::Attachment { .. }
                | Precondition::InlinePolicy { .. }
                | Precondition::ConsolePassword { .. }
                | Precondition::Regional(_),
            )
            | Before::Restorable(
                Some(
                    Inverse::EnableAccessKey { .. }
                    | Inverse::AttachPolicy { .. }
                    | Inverse::DeleteInlinePolicy { .. }
                    | Inverse::PutInlinePolicy(_)
                    | Inverse::Regional(_),
                )
                | None,
            ) => (None, None),
        };
        let mut changed = Vec::new();
        let mut kept = Vec::new();
        let old = old.map(|policy| policy.fields());
        for (n, (name, after)) in after.fields().into_iter().enumerate() {
            let before = old
                .as_ref()
                .and_then(|fields| fields.get(n))
                .map(|(_, value)| value.clone());
            if before.as_ref() == Some(&after) {
                kept.push((name, after));
            } else {
                changed.push(Field {
                    name: name.to_owned(),
                    before: before.unwrap_or_else(|| UNTOLD.to_owned()),
                    after,
                });
            }
        }
        Self {
            verb,
            subject: String::new(),
            changed,
            kept,
            remark,
        }
    }
}

fn key_status(before: Before<'_>) -> String {
    match before {
        Before::Demanded(Precondition::AccessKey { status, .. }) => status.as_str().to_owned(),
        Before::Restorable(Some(Inverse::EnableAccessKey { .. })) => "Active".to_owned(),
        Before::Demanded(_) | Before::Restorable(_) => UNTOLD.to_owned(),
    }
}

fn attachment(before: Before<'_>) -> &'static str {
    match before {
        Before::Demanded(Precondition::Attachment { attached: false, .. }) => "not attached",
        Before::Demanded(Precondition::Attachment { attached: true, .. })
        | Before::Restorable(Some(Inverse::AttachPolicy { .. })) => "attached",
        Before::Demanded(_) | Before::Restorable(_) => UNTOLD,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AccessKeyId, Arn};

    fn told(difference: &Difference) -> String {
        let fields = difference.changed.iter();
        let fields: Vec<_> = fields
            .map(|f| format!("{} {} → {}", f.name, f.before, f.after))
            .collect();
        format!(
            "{} {}: {}",
            difference.verb,
            difference.subject,
            fields.join(", ")
        )
    }

    #[test]
    fn a_password_policy_is_compared_field_by_field() {
        let old = PasswordPolicy {
            minimum_length: 8,
            ..PasswordPolicy::aws_default()
        };
        let new = PasswordPolicy {
            minimum_length: 14,
            max_age_days: Some(90),
            ..old.clone()
        };
        let restore = Inverse::RestorePasswordPolicy(old.clone());
        let difference = Difference::of(
            &Change::UpdatePasswordPolicy(new.clone()),
            Before::Restorable(Some(&restore)),
        );
        assert_eq!(
            told(&difference),
            "update password policy : minimum_length 8 → 14, max_age none → 90d"
        );
        assert_eq!(difference.kept.len(), 7);
        let created = Difference::of(
            &Change::UpdatePasswordPolicy(new),
            Before::Demanded(&Precondition::PasswordPolicy {
                password_policy: None,
            }),
        );
        assert_eq!(created.changed, difference.changed);
        assert!(created.remark.unwrap().contains("no policy of its own"));
    }

    #[test]
    fn keys_and_attachments_show_their_state() {
        let key = AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").unwrap();
        let enable = Inverse::EnableAccessKey {
            access_key_id: key.clone(),
        };
        let disable = Change::DisableAccessKey {
            access_key_id: key.clone(),
        };
        assert_eq!(
            told(&Difference::of(&disable, Before::Restorable(Some(&enable)))),
            "disable access key AKIAIOSFODNN7EXAMPLE: status Active → Inactive"
        );
        assert_eq!(
            told(&Difference::of(
                &Change::DeleteAccessKey { access_key_id: key },
                Before::Restorable(None)
            )),
            "delete access key AKIAIOSFODNN7EXAMPLE: status not stated → deleted"
        );
        let policy = Arn::parse("arn:aws:iam::aws:policy/ReadOnlyAccess").unwrap();
        let attach = Inverse::AttachPolicy {
            policy_arn: policy.clone(),
        };
        assert_eq!(
            told(&Difference::of(
                &Change::DetachPolicy { policy_arn: policy },
                Before::Restorable(Some(&attach))
            )),
            "detach policy arn:aws:iam::aws:policy/ReadOnlyAccess: status attached → detached"
        );
    }
}
