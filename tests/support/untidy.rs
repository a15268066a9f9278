//! An untidy account, and how it is when it is tidied.

use serde_json::{Value, json};

/// An untidy account: five keys that are too old, each beside one that is not; a password policy that is too weak; a policy not in use.
/// And as many people with nothing to tidy, for a run never changes more than there are principals.
pub(super) const SEED: &str = r#"
[[accounts]]
id = "123456789012"
password_policy = { minimum_password_length = 8, require_symbols = true }
report = { existing = "10m" }

[[accounts.policies]]
name = "reports"
age = "400d"
document = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}'

[[accounts.users]]
name = "ada"
age = "500d"
keys = [{ id = "AKIAADA0000000000001", age = "200d", last_used = "2d" }, { id = "AKIAADA0000000000002", age = "9d" }]

[[accounts.users]]
name = "bob"
age = "500d"
keys = [{ id = "AKIABOB0000000000001", age = "210d", last_used = "2d" }, { id = "AKIABOB0000000000002", age = "9d" }]

[[accounts.users]]
name = "cyd"
age = "500d"
keys = [{ id = "AKIACYD0000000000001", age = "220d", last_used = "2d" }, { id = "AKIACYD0000000000002", age = "9d" }]

[[accounts.users]]
name = "dan"
age = "500d"
keys = [{ id = "AKIADAN0000000000001", age = "230d", last_used = "2d" }, { id = "AKIADAN0000000000002", age = "9d" }]

[[accounts.users]]
name = "eve"
age = "500d"
attached = ["reports", "AmazonSQSFullAccess"]
used = { sqs = "2d" }
keys = [{ id = "AKIAEVE0000000000001", age = "240d", last_used = "2d" }, { id = "AKIAEVE0000000000002", age = "9d" }]

[[accounts.users]]
name = "visitor-{n}"
repeat = 5
"#;

/// Rules that find all of it, and may change it at once.
pub(super) const RULES: &str = r#"
[guardrails]
max_changes_per_run = 100
max_changes_percent = 100

[rules.access_key_rotation]
mode = "enforce"
max_age = "90d"
minimum_notice = "0s"

[rules.password_policy]
mode = "enforce"
minimum_length = 14

[rules.unused_permissions]
mode = "enforce"
unused_for = "90d"
minimum_age = "90d"
confirm_after = "0s"
trust_existing = true
"#;

/// The account as it is to be when everything is done.
pub(super) fn tidied(before: &Value) -> Value {
    let mut account = before.clone();
    for name in ["ada", "bob", "cyd", "dan", "eve"] {
        account["users"][name]["keys"][0]["status"] = json!("Inactive");
    }
    account["password_policy"]["minimum_password_length"] = json!(14);
    account["users"]["eve"]["attached"] = json!(["arn:aws:iam::aws:policy/AmazonSQSFullAccess"]);
    account
}
