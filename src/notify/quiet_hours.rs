//! Reminders wait for the end of the quiet hours; results do not.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::config::Notifications;
use crate::model::Event;

/// The earliest time to deliver a message about these events. One message an owner and run: where a result is in it, the
/// reminders beside it come along at once.
pub fn deliver_after(
    notifications: &Notifications,
    zone: Tz,
    events: impl IntoIterator<Item = Event>,
    now: DateTime<Utc>,
) -> DateTime<Utc> {
    let mut events = events.into_iter();
    match &notifications.quiet_hours {
        Some(quiet) if events.all(Event::waits_for_quiet_hours) => quiet.next_close(now, zone),
        Some(_) | None => now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Window;
    use crate::notify::sample;

    #[test]
    fn reminders_wait_and_results_do_not() {
        let mut notifications = sample::notifications();
        let zone = chrono_tz::Europe::Berlin;
        let night = "2026-11-23T20:00:00Z".parse().unwrap();
        let reminder = [Event::AccessKeyExpiring];
        assert_eq!(deliver_after(&notifications, zone, reminder, night), night);
        notifications.quiet_hours = Some(Window::parse("18:00-08:00").unwrap());
        let morning: DateTime<Utc> = "2026-11-24T07:00:00Z".parse().unwrap();
        assert_eq!(deliver_after(&notifications, zone, reminder, night), morning);
        assert_eq!(deliver_after(&notifications, zone, reminder, morning), morning);
        let mixed = [Event::AccessKeyExpiring, Event::AccessKeyDisabled];
        assert_eq!(deliver_after(&notifications, zone, mixed, night), night);
    }
}
