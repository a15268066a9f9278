//! Slack's form: Block Kit for an incoming webhook.
//!
//! Limits (Slack's reference, "Blocks" and "Section block"; the last is ours): 50 blocks a message, 3000 characters a
//! section, 12 kB a message. Outside text is escaped as Slack asks (`&`, `<`, `>`), which also takes `<!channel>` its
//! meaning; a backtick would end a code run and is replaced. Sections are `verbatim`, so that Slack makes no mentions of
//! bare words.

use serde_json::{Value, json};

use super::buttons;
use super::message::Message;
use super::text::{Style, Text, json_length};
use super::wording::{self, Paragraph};

/// The longest message in bytes.
pub(super) const LONGEST: usize = 12_000;
const MOST_BLOCKS: usize = 50;
const LONGEST_SECTION: usize = 2_900;

/// The JSON to post, and whether it keeps Slack's limits.
pub(super) fn encode(message: &Message) -> (String, bool) {
    let page = wording::write(message);
    let mut blocks = Vec::new();
    let mut items = message.items();
    for paragraph in &page.paragraphs {
        let (lines, bytes) = match paragraph {
            Paragraph::Item(lines) => (lines, 5_500),
            Paragraph::Advice(lines) => (lines, 2_500),
        };
        let mut section = Mrkdwn::new(LONGEST_SECTION, bytes);
        if let (true, Some(mention)) = (blocks.is_empty(), &message.mention) {
            section.mention(mention);
        }
        section.lines(lines);
        blocks.push(json!({"type": "section", "text": section.into_element(true)}));
        match paragraph {
            Paragraph::Item(_) => {
                let item = items.next();
                blocks.extend(item.and_then(|(event, item)| buttons::of_item(message, event, item)));
            }
            Paragraph::Advice(_) => {}
        }
    }
    blocks.extend(buttons::of_all(message));
    if let Some((label, url)) = message.link() {
        blocks.push(buttons::link(label, &url));
    }
    let mut footer = Mrkdwn::new(LONGEST_SECTION, 1_000);
    footer.text(&page.footer);
    blocks.push(json!({"type": "context", "elements": [footer.into_element(true)]}));
    let mut preview = Mrkdwn::new(300, 900);
    preview.plain(&page.headline.plain());
    if page.more > 0 {
        preview.plain(&format!(" (and {} more)", page.more));
    }
    let block_count = blocks.len();
    let body = json!({"text": preview.out, "blocks": blocks, "unfurl_links": false, "unfurl_media": false});
    let body = body.to_string();
    let fits = body.len() <= LONGEST && block_count <= MOST_BLOCKS;
    (body, fits)
}

/// Slack's markup, written character by character so that a cut never splits an escape or leaves a run open.
struct Mrkdwn {
    out: String,
    characters: usize,
    bytes: usize,
    full: bool,
}

impl Mrkdwn {
    fn new(characters: usize, bytes: usize) -> Self {
        Self {
            out: String::new(),
            characters,
            bytes,
            full: false,
        }
    }

    fn token(&mut self, token: &str) {
        // Room for the ellipsis and for the mark that closes a run.
        let (characters, bytes) = (token.chars().count() + 2, json_length(token) + 4);
        if self.full || characters > self.characters || bytes > self.bytes {
            if !self.full {
                self.out.push('…');
            }
            self.full = true;
            return;
        }
        self.characters -= characters - 2;
        self.bytes -= bytes - 4;
        self.out.push_str(token);
    }

    /// From the configuration: given as it stands.
    fn mention(&mut self, mention: &str) {
        self.token(mention);
        self.token(" ");
    }

    fn plain(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.token("&amp;"),
                '<' => self.token("&lt;"),
                '>' => self.token("&gt;"),
                '`' => self.token("ˋ"),
                c => self.token(c.encode_utf8(&mut [0; 4])),
            }
        }
    }

    fn text(&mut self, text: &Text) {
        for run in &text.0 {
            let mark = match run.style {
                Style::Plain => "",
                Style::Strong => "*",
                Style::Code => "`",
            };
            if self.full {
                return;
            }
            self.out.push_str(mark);
            self.plain(&run.text);
            self.out.push_str(mark);
            self.characters = self.characters.saturating_sub(2 * mark.len());
            self.bytes = self.bytes.saturating_sub(2 * mark.len());
        }
    }

    fn lines(&mut self, lines: &[Text]) {
        for (n, line) in lines.iter().enumerate() {
            if n > 0 {
                self.token("\n");
            }
            self.text(line);
        }
    }

    fn into_element(self, verbatim: bool) -> Value {
        json!({"type": "mrkdwn", "text": self.out, "verbatim": verbatim})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Owner;
    use crate::notify::message::{ActionOutcome, Message};
    use crate::notify::sample::{self, Told};

    /// The whole message as it is posted.
    fn posted(message: &Message) -> String {
        let (body, fits) = encode(message);
        assert!(fits);
        let body: Value = serde_json::from_str(&body).unwrap();
        serde_json::to_string_pretty(&body).unwrap()
    }

    /// The texts of the blocks, as people read them before Slack lays them out.
    fn texts(message: &Message) -> String {
        let (body, fits) = encode(message);
        assert!(fits);
        let body: Value = serde_json::from_str(&body).unwrap();
        let blocks = body["blocks"].as_array().unwrap();
        let text = |block: &Value| match block["type"].as_str().unwrap() {
            "section" => block["text"]["text"].as_str().unwrap().to_owned(),
            other => format!("[{other}] {}", block["elements"][0]["text"].as_str().unwrap()),
        };
        let texts: Vec<_> = blocks.iter().map(text).collect();
        format!(
            "{}\n---\n{}",
            body["text"].as_str().unwrap(),
            texts.join("\n---\n")
        )
    }

    #[test]
    fn a_warning_whole() {
        insta::assert_snapshot!(posted(&Told::warning().message_for("secops")), @r#"
        {
          "blocks": [
            {
              "text": {
                "text": "<@U012ABCDEF> Access key `…0007` of user `alice` in prod (123456789012) *will be disabled on Mon 30 Nov 2026 06:00 UTC* (7 days left)\nWhy: Access key AKIAIOSFODNN00000007 of alice is 94 days old. The limit is 90d, reached on 2026-11-18. It was last used 2 days ago for s3. (rule `access_key_rotation`)\nLast use: *Fri 20 Nov 2026 16:12 UTC*, s3 in eu-central-1.\nAction `act_8034da49246a3b76622ab3aa`. Once done, it can be undone: `iamwarden rollback --action act_8034da49246a3b76622ab3aa`",
                "type": "mrkdwn",
                "verbatim": true
              },
              "type": "section"
            },
            {
              "text": {
                "text": "*To mend it:*\n1. Make a second key: `aws iam create-access-key --user-name NAME`\n2. Deploy it wherever the old one is used.\n3. Watch the old key until it is no longer used: `aws iam get-access-key-last-used --access-key-id ID`\n4. Deactivate the old key, and delete it some days later.\nIf the key must stay, ask whoever runs iamwarden for an exemption (an entry in `[[exemptions]]` with `principals = [\"user/alice\"], rules = [\"access_key_rotation\"], until, reason`).",
                "type": "mrkdwn",
                "verbatim": true
              },
              "type": "section"
            },
            {
              "elements": [
                {
                  "text": "iamwarden for alice@example.com · run `run_01KAQ8V3Q6`",
                  "type": "mrkdwn",
                  "verbatim": true
                }
              ],
              "type": "context"
            }
          ],
          "text": "Access key …0007 of user alice in prod (123456789012) will be disabled on Mon 30 Nov 2026 06:00 UTC (7 days left)",
          "unfurl_links": false,
          "unfurl_media": false
        }
        "#);
    }

    #[test]
    fn a_disabled_key() {
        let told = Told::result(ActionOutcome::Applied);
        insta::assert_snapshot!(texts(&told.message_for("secops")), @r"
        Access key …0007 of user alice in prod (123456789012) was disabled on Mon 23 Nov 2026 06:00 UTC
        ---
        <@U012ABCDEF> Access key `…0007` of user `alice` in prod (123456789012) *was disabled on Mon 23 Nov 2026 06:00 UTC*
        Why: Access key AKIAIOSFODNN00000007 of alice is 94 days old. The limit is 90d, reached on 2026-11-18. It was last used 2 days ago for s3. (rule `access_key_rotation`)
        Action `act_8034da49246a3b76622ab3aa`. To undo it: `iamwarden rollback --action act_8034da49246a3b76622ab3aa`
        ---
        If something stopped working, undo it as above, then make a second key, deploy it, and watch the old key's last use before it is disabled again.
        ---
        [context] iamwarden for alice@example.com · run `run_01KAQ8V3Q6`
        ");
    }

    #[test]
    fn failures_and_rollbacks() {
        let detail = || "AccessDenied: not authorized to perform iam:UpdateAccessKey".to_owned();
        let by = "bob@example.com".to_owned();
        let failed = Told::result(ActionOutcome::Failed { detail: detail() });
        insta::assert_snapshot!(texts(&failed.message_for("secops")), @r"
        Failed: disable access key …0007 of user alice in prod (123456789012), on Mon 23 Nov 2026 06:00 UTC (attempt 1)
        ---
        <@U012ABCDEF> *Failed*: disable access key `…0007` of user `alice` in prod (123456789012), on Mon 23 Nov 2026 06:00 UTC (attempt 1)
        AccessDenied: not authorized to perform iam:UpdateAccessKey
        Action `act_8034da49246a3b76622ab3aa`. Nothing else depends on it; the next run looks at it afresh.
        ---
        [context] iamwarden for alice@example.com · run `run_01KAQ8V3Q6`
        ");
        let stale = Told::result(ActionOutcome::Stale {
            detail: "the key is Inactive, and was Active in the plan".to_owned(),
        });
        insta::assert_snapshot!(texts(&stale.message_for("secops")), @r"
        Skipped: disable access key …0007 of user alice in prod (123456789012), on Mon 23 Nov 2026 06:00 UTC: the world had moved since the plan
        ---
        <@U012ABCDEF> *Skipped*: disable access key `…0007` of user `alice` in prod (123456789012), on Mon 23 Nov 2026 06:00 UTC: the world had moved since the plan
        the key is Inactive, and was Active in the plan
        Action `act_8034da49246a3b76622ab3aa`. Nothing was changed; the next run looks at it afresh.
        ---
        [context] iamwarden for alice@example.com · run `run_01KAQ8V3Q6`
        ");
        let undone = Told::result(ActionOutcome::RolledBack { by });
        insta::assert_snapshot!(texts(&undone.message_for("secops")), @r"
        Rolled back: disable access key …0007 of user alice in prod (123456789012), undone on Mon 23 Nov 2026 06:00 UTC by bob@example.com
        ---
        <@U012ABCDEF> *Rolled back*: disable access key `…0007` of user `alice` in prod (123456789012), *undone on Mon 23 Nov 2026 06:00 UTC* by bob@example.com
        Action `act_8034da49246a3b76622ab3aa`. It stays withheld until a person approves it again.
        ---
        [context] iamwarden for alice@example.com · run `run_01KAQ8V3Q6`
        ");
        let stuck = Told::result(ActionOutcome::RollbackFailed { detail: detail() });
        insta::assert_snapshot!(texts(&stuck.message_for("secops")), @r"
        Rollback failed: disable access key …0007 of user alice in prod (123456789012), on Mon 23 Nov 2026 06:00 UTC (attempt 1)
        ---
        <@U012ABCDEF> *Rollback failed*: disable access key `…0007` of user `alice` in prod (123456789012), on Mon 23 Nov 2026 06:00 UTC (attempt 1)
        AccessDenied: not authorized to perform iam:UpdateAccessKey
        Action `act_8034da49246a3b76622ab3aa`. The change still stands. To try again: `iamwarden rollback --action act_8034da49246a3b76622ab3aa`
        ---
        [context] iamwarden for alice@example.com · run `run_01KAQ8V3Q6`
        ");
    }

    #[test]
    fn a_raised_password_policy() {
        let told = Told {
            results: vec![sample::password_policy(ActionOutcome::Applied)],
            ..Told::default()
        };
        insta::assert_snapshot!(texts(&told.message_for("secops")), @r"
        The account password policy of prod (123456789012) was changed on Mon 23 Nov 2026 06:00 UTC
        ---
        The account password policy of prod (123456789012) *was changed on Mon 23 Nov 2026 06:00 UTC*
        • `minimum_length`: 8 → *14*
        • `require_symbols`: false → *true*
        • `max_age`: none → *90d*
        Action `act_faa286e1af6322d696c51c46`. To undo it: `iamwarden rollback --action act_faa286e1af6322d696c51c46`
        ---
        [context] iamwarden, for what has no owner of its own · run `run_01KAQ8V3Q6`
        ");
    }

    #[test]
    fn what_the_default_channel_hears() {
        use crate::model::Event;
        let (finding, action) = sample::unused_policy();
        let (old_finding, _) = sample::old_key("carol", 3, None);
        let to_default = |event, finding: &crate::model::Finding| {
            let mut notification = sample::notification(event, &[finding], Vec::new());
            notification.to = None;
            notification.channel = Some("secops".to_owned());
            notification
        };
        let told = Told {
            notifications: vec![
                to_default(Event::ApprovalRequested, &finding),
                to_default(Event::ReportDigest, &old_finding),
            ],
            decisions: vec![sample::decided(vec![action.clone()])],
            exemptions: vec![sample::exemption("2026-11-23"), sample::exemption("2026-12-01")],
            failures: vec![sample::failure()],
            findings: vec![finding, old_finding],
            actions: vec![action],
            ..Told::default()
        };
        insta::assert_snapshot!(texts(&told.message_for("secops")), @r"
        Not read: iam:GetCredentialReport in prod (123456789012) (and 5 more)
        ---
        *Not read*: `iam:GetCredentialReport` in prod (123456789012)
        access denied to the role iamwarden
        Nothing is concluded from what is missing, and nothing was changed because of it.
        ---
        *Approval needed*: detach policy `sqs-admin` on role `reporting` in prod (123456789012), not before Mon 30 Nov 2026 06:00 UTC
        Why: Policy sqs-admin of reporting grants only what was not used for 90d. It grants sqs, which was never used. (rule `unused_permissions`)
        To approve it: `iamwarden approve 01KAQ8V3Q6PLANPLANPLANPLAN --action act_086e3f83f7c226eb6d81345a`
        Action `act_086e3f83f7c226eb6d81345a`. Once done, it can be undone: `iamwarden rollback --action act_086e3f83f7c226eb6d81345a`
        ---
        1 action in 1 account named here. All that waits in plan `01KAQ8V3Q6PLANPLANPLANPLAN` (digest `sha256:64879f7d6b960a01909762d911a32d4582c20010c5641ee90278b644a9e3b525`): `iamwarden approve 01KAQ8V3Q6PLANPLANPLANPLAN` or `iamwarden reject 01KAQ8V3Q6PLANPLANPLANPLAN`
        ---
        *Approved* by sec-lead@example.com on Mon 23 Nov 2026 06:00 UTC: 1 action in 1 account of plan `01KAQ8V3Q6PLANPLANPLANPLAN`
        Reason: agreed in SEC-123
        • `act_086e3f83f7c226eb6d81345a`: detach policy `sqs-admin` on role `reporting` in prod (123456789012)
        Digest of the plan: `sha256:64879f7d6b960a01909762d911a32d4582c20010c5641ee90278b644a9e3b525`
        ---
        The exemption of `user/ci-*` from `access_key_rotation` *ends on Mon 30 Nov 2026, that day included*
        Its reason: vendor integration, SEC-123
        From the day after, the rules apply. Renew its entry in the configuration if it is still needed.
        ---
        The exemption of `user/ci-*` from `access_key_rotation` *ended on Mon 30 Nov 2026 and has no effect*
        Its reason: vendor integration, SEC-123
        It is ignored. Renew or remove its entry in the configuration.
        ---
        *Report: 1 finding* in prod (123456789012). These rules are in mode report: nothing is changed.
        • `access_key_rotation`: 1 medium
        – Access key AKIAIOSFODNN00000003 of carol is 94 days old (prod (123456789012), `fnd_734941f1a597624dae45d3c5`)
        ---
        All of it: `iamwarden plan`
        ---
        [context] iamwarden, for what has no owner of its own · run `run_01KAQ8V3Q6`
        ");
    }

    #[test]
    fn a_deletion() {
        use crate::model::{Change, Event};
        let (finding, mut action) = sample::old_key("alice", 7, sample::alice());
        let Change::DisableAccessKey { access_key_id } = action.change.clone() else {
            unreachable!()
        };
        action.change = Change::DeleteAccessKey { access_key_id };
        action.id = crate::model::ActionId::of(&action.account, &action.resource, &action.change);
        action.inverse = None;
        action.reversible = false;
        let notices = vec![sample::notice(&finding, &action.change.subject())];
        let mut told = Told {
            notifications: vec![sample::notification(
                Event::AccessKeyDeleting,
                &[&finding],
                notices,
            )],
            findings: vec![finding],
            actions: vec![action],
            ..Told::default()
        };
        insta::assert_snapshot!(texts(&told.message_for("secops")), @r#"
        Access key …0007 of user alice in prod (123456789012) will be deleted on Mon 30 Nov 2026 06:00 UTC (7 days left)
        ---
        <@U012ABCDEF> Access key `…0007` of user `alice` in prod (123456789012) *will be deleted on Mon 30 Nov 2026 06:00 UTC* (7 days left)
        Why: Access key AKIAIOSFODNN00000007 of alice is 94 days old. The limit is 90d, reached on 2026-11-18. It was last used 2 days ago for s3. (rule `access_key_rotation`)
        Last use: *Fri 20 Nov 2026 16:12 UTC*, s3 in eu-central-1.
        Action `act_4ec9b666e74bddb37207b037`. Deleting cannot be undone. To keep the key, have it enabled again before that date: `iamwarden rollback --action act_8034da49246a3b76622ab3aa`
        ---
        If the key must stay, ask whoever runs iamwarden for an exemption (an entry in `[[exemptions]]` with `principals = ["user/alice"], rules = ["access_key_rotation"], until, reason`).
        ---
        [context] iamwarden for alice@example.com · run `run_01KAQ8V3Q6`
        "#);
        told.notifications.clear();
        told.results = vec![crate::notify::ActionResult::of(
            &told.actions[0],
            sample::alice(),
            1,
            sample::now(),
            ActionOutcome::Applied,
        )];
        insta::assert_snapshot!(texts(&told.message_for("secops")), @r"
        Access key …0007 of user alice in prod (123456789012) was deleted on Mon 23 Nov 2026 06:00 UTC
        ---
        <@U012ABCDEF> Access key `…0007` of user `alice` in prod (123456789012) *was deleted on Mon 23 Nov 2026 06:00 UTC*
        Why: Access key AKIAIOSFODNN00000007 of alice is 94 days old. The limit is 90d, reached on 2026-11-18. It was last used 2 days ago for s3. (rule `access_key_rotation`)
        Action `act_4ec9b666e74bddb37207b037`. This cannot be undone.
        ---
        [context] iamwarden for alice@example.com · run `run_01KAQ8V3Q6`
        ");
    }

    #[test]
    fn nasty_names_mean_nothing_to_slack() {
        let nasty = "<!channel> @everyone `x` *b* <https://evil.example|ok> &amp; \u{202e}gnp";
        let (mut finding, action) = sample::old_key("a+b=c,d.e@f-g_h", 7, Some(Owner(nasty.to_owned())));
        finding.title = nasty.to_owned();
        let told = Told {
            notifications: vec![sample::expiring(&finding, &action)],
            findings: vec![finding],
            actions: vec![action],
            ..Told::default()
        };
        let text = texts(&told.message_for("secops"));
        for active in ["<!", "<https", "@everyone", "\u{202e}", "`x`"] {
            assert!(!text.contains(active), "{active} in {text}");
        }
        // The joiner that breaks the mention is not seen.
        let text = text.replace('\u{2060}', "‹joiner›");
        insta::assert_snapshot!(text.lines().next().unwrap(), @"Access key …0007 of user a+b=c,d.e@f-g_h in prod (123456789012) will be disabled on Mon 30 Nov 2026 06:00 UTC (7 days left)");
        insta::assert_snapshot!(text.lines().find(|line| line.starts_with("Why")).unwrap(), @"Why: &lt;!channel&gt; @‹joiner›everyone ˋxˋ *b* &lt;https://evil.example|ok&gt; &amp;amp; ‹U+202E›gnp. The limit is 90d, reached on 2026-11-18. It was last used 2 days ago for s3. (rule `access_key_rotation`)");
        insta::assert_snapshot!(text.lines().last().unwrap(), @"[context] iamwarden for &lt;!channel&gt; @‹joiner›everyone ˋxˋ *b* &lt;https://evil.example|ok&gt; &amp;amp; ‹U+202E›gnp · run `run_01KAQ8V3Q6`");
    }
}
