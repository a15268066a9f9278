//! `GetAccountAuthorizationDetails`: users, groups, roles and managed policies in a few pages.

use std::collections::BTreeMap;

use aws_sdk_iam::operation::get_account_authorization_details::GetAccountAuthorizationDetailsOutput as Page;
use aws_sdk_iam::types::{EntityType, ManagedPolicyDetail};

use super::convert::{self, Odd};
use super::errors::AwsError;
use super::operation;
use super::pages::{PAGE, Pages};
use super::reader::{Reader, usable};
use crate::inventory::{Authorization, Group, ManagedPolicy, Role, User};
use crate::model::Arn;

impl Reader {
    /// All users, groups and roles, and with `policies` the managed policies too: the account's own, and those of AWS
    /// that are in use. `GetAccountAuthorizationDetails`, all pages, each converted and dropped before the next.
    ///
    /// # Errors
    /// [`AwsError`], where any page fails: half an account is none.
    pub async fn authorization(&self, policies: bool) -> Result<Authorization, AwsError> {
        let scope = self.scope(operation::GET_ACCOUNT_AUTHORIZATION_DETAILS, None);
        let mut kinds = vec![EntityType::User, EntityType::Group, EntityType::Role];
        if policies {
            kinds.extend([EntityType::LocalManagedPolicy, EntityType::AwsManagedPolicy]);
        }
        let mut listing = Listing::default();
        let mut pages = Pages::default();
        loop {
            let call = self
                .iam
                .get_account_authorization_details()
                .set_filter(Some(kinds.clone()));
            let mut page = self
                .ask(scope, call.set_marker(pages.marker()).max_items(PAGE).send())
                .await?;
            let (truncated, marker) = (page.is_truncated, page.marker.take());
            usable(scope, listing.add(page))?;
            if !usable(scope, pages.turn(truncated, marker))? {
                break;
            }
        }
        Ok(listing.finish())
    }
}

/// The pages so far. Somebody may change the account between two pages, so one thing may come twice: the last counts.
#[derive(Debug, Default)]
struct Listing {
    users: ByArn<User>,
    groups: ByArn<Group>,
    roles: ByArn<Role>,
    policies: BTreeMap<Arn, ManagedPolicy>,
}

/// Things by ARN, in one piece of memory: an account can have thousands of them, and each is large.
#[derive(Debug)]
struct ByArn<T> {
    items: Vec<T>,
    places: BTreeMap<Arn, usize>,
}

impl<T> Default for ByArn<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            places: BTreeMap::new(),
        }
    }
}

impl<T> ByArn<T> {
    /// Adds it, in the place of another of that ARN.
    fn insert(&mut self, arn: Arn, item: T) {
        let end = self.items.len();
        let place = *self.places.entry(arn).or_insert(end);
        match self.items.get_mut(place) {
            Some(known) => *known = item,
            None => self.items.push(item),
        }
    }

    /// All of them, by ARN.
    fn into_sorted(self, arn: impl Fn(&T) -> &Arn) -> Vec<T> {
        let Self { mut items, places } = self;
        drop(places);
        items.sort_unstable_by(|a, b| arn(a).cmp(arn(b)));
        items
    }
}

impl Listing {
    fn add(&mut self, page: Page) -> Result<(), Odd> {
        // AWS sends every list, if need be empty. An answer with none of them is not one of AWS.
        if page.user_detail_list.is_none()
            && page.group_detail_list.is_none()
            && page.role_detail_list.is_none()
            && page.policies.is_none()
        {
            return Err(Odd("a page holds no list at all".to_owned()));
        }
        for user in page.user_detail_list.unwrap_or_default() {
            let user = convert::user(user)?;
            self.users.insert(user.arn.clone(), user);
        }
        for group in page.group_detail_list.unwrap_or_default() {
            let group = convert::group(group)?;
            self.groups.insert(group.arn.clone(), group);
        }
        for role in page.role_detail_list.unwrap_or_default() {
            let role = convert::role(role)?;
            self.roles.insert(role.arn.clone(), role);
        }
        let policies = page.policies.unwrap_or_default();
        if policies.is_empty() {
            return Ok(());
        }
        let uses = count_uses(&self.users.items, &self.groups.items, &self.roles.items);
        for policy in policies {
            // Some services that speak IAM list every policy of AWS, used or not: thousands of documents.
            if is_idle_policy_of_aws(&policy, &uses) {
                continue;
            }
            let policy = convert::managed_policy(policy)?;
            self.policies.insert(policy.arn.clone(), policy);
        }
        Ok(())
    }

    fn finish(self) -> Authorization {
        let Self {
            users,
            groups,
            roles,
            mut policies,
        } = self;
        let uses = count_uses(&users.items, &groups.items, &roles.items);
        for policy in policies.values_mut() {
            let (attachments, boundaries) = uses.get(&policy.arn).copied().unwrap_or_default();
            policy.attachment_count = policy.attachment_count.max(attachments);
            policy.boundary_count = policy.boundary_count.max(boundaries);
        }
        Authorization {
            users: users.into_sorted(|user| &user.arn),
            groups: groups.into_sorted(|group| &group.arn),
            roles: roles.into_sorted(|role| &role.arn),
            policies,
        }
    }
}

fn is_idle_policy_of_aws(policy: &ManagedPolicyDetail, uses: &BTreeMap<Arn, (u32, u32)>) -> bool {
    let counted =
        policy.attachment_count.unwrap_or(0) > 0 || policy.permissions_boundary_usage_count.unwrap_or(0) > 0;
    let of_aws = policy.arn().and_then(|arn| Arn::parse(arn).ok());
    let of_aws = of_aws.filter(|arn| arn.account() == "aws");
    !counted && of_aws.is_some_and(|arn| !uses.contains_key(&arn))
}

/// How often each policy is attached and a boundary, as the principals themselves say.
fn count_uses(users: &[User], groups: &[Group], roles: &[Role]) -> BTreeMap<Arn, (u32, u32)> {
    let mut uses: BTreeMap<Arn, (u32, u32)> = BTreeMap::new();
    let attached = users
        .iter()
        .flat_map(|user| &user.attached)
        .chain(groups.iter().flat_map(|group| &group.attached))
        .chain(roles.iter().flat_map(|role| &role.attached));
    for policy in attached {
        uses.entry(policy.arn.clone()).or_default().0 += 1;
    }
    let boundaries = users
        .iter()
        .filter_map(|user| user.boundary.as_ref())
        .chain(roles.iter().filter_map(|role| role.boundary.as_ref()));
    for policy in boundaries {
        uses.entry(policy.clone()).or_default().1 += 1;
    }
    uses
}

#[cfg(test)]
mod tests {
    use aws_sdk_iam::types::{AttachedPermissionsBoundary, AttachedPolicy, UserDetail};

    use super::*;

    fn date() -> aws_smithy_types::DateTime {
        aws_smithy_types::DateTime::from_secs(1_700_000_000)
    }

    fn user(name: &str, policy: &str, boundary: &str) -> UserDetail {
        UserDetail::builder()
            .arn(format!("arn:aws:iam::123456789012:user/{name}"))
            .user_name(name)
            .user_id(format!("AIDA{name}"))
            .create_date(date())
            .attached_managed_policies(
                AttachedPolicy::builder()
                    .policy_arn(policy)
                    .policy_name("p")
                    .build(),
            )
            .permissions_boundary(
                AttachedPermissionsBoundary::builder()
                    .permissions_boundary_arn(boundary)
                    .build(),
            )
            .build()
    }

    fn policy(arn: &str, attachments: i32) -> ManagedPolicyDetail {
        ManagedPolicyDetail::builder()
            .arn(arn)
            .policy_name("p")
            .default_version_id("v1")
            .attachment_count(attachments)
            .create_date(date())
            .update_date(date())
            .build()
    }

    #[test]
    fn policies_of_aws_are_kept_where_somebody_uses_them() {
        let (used, idle) = ("arn:aws:iam::aws:policy/Used", "arn:aws:iam::aws:policy/Idle");
        let (own, boundary) = (
            "arn:aws:iam::123456789012:policy/own",
            "arn:aws:iam::aws:policy/Boundary",
        );
        let page = Page::builder()
            .user_detail_list(user("b", used, boundary))
            .user_detail_list(user("a", used, boundary))
            .policies(policy(used, 0))
            .policies(policy(idle, 0))
            .policies(policy(own, 0))
            .policies(policy(boundary, 0))
            .build();
        let mut listing = Listing::default();
        listing.add(page).unwrap();
        let authorization = listing.finish();
        let kept: Vec<_> = authorization
            .policies
            .values()
            .map(|p| (p.arn.as_str(), p.attachment_count, p.boundary_count))
            .collect();
        assert_eq!(kept, [(own, 0, 0), (boundary, 0, 2), (used, 2, 0)]);
        let names: Vec<_> = authorization.users.iter().map(|u| u.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn what_comes_on_two_pages_is_there_once_as_it_was_last() {
        let (before, after) = ("arn:aws:iam::aws:policy/Before", "arn:aws:iam::aws:policy/After");
        let mut listing = Listing::default();
        for page in [
            [user("c", before, before), user("b", before, before)],
            [user("a", after, after), user("b", after, after)],
        ] {
            let page = page
                .into_iter()
                .fold(Page::builder(), |page, user| page.user_detail_list(user));
            listing.add(page.build()).unwrap();
        }
        let users = listing.finish().users;
        let told: Vec<_> = users
            .iter()
            .map(|user| (user.name.as_str(), user.attached[0].arn.as_str()))
            .collect();
        assert_eq!(told, [("a", after), ("b", after), ("c", before)]);
    }

    #[test]
    fn an_answer_without_any_list_is_no_empty_account() {
        assert!(Listing::default().add(Page::builder().build()).is_err());
        let empty = Page::builder().set_user_detail_list(Some(Vec::new())).build();
        assert!(Listing::default().add(empty).is_ok());
    }
}
