//! Patch levels are months that a phone writes as numbers. Not every number is a month, and a wrong one is often a high one.

use x509_parser::prelude::ASN1Time;

/// Makers announce a patch level some weeks before its month; a year is beyond every one of them.
const MONTHS_AHEAD: i64 = 12;

/// The patch level (`YYYYMM`) that this number is: six digits, a month of the calendar, at most a year ahead of `now_s` (seconds since the
/// epoch). `None`: it says nothing about patches, and is older than every bound.
pub fn patch_month(number: i64, now_s: i64) -> Option<i64> {
    let (year, month) = (number / 100, number % 100);
    let is_month = (100_000..=999_999).contains(&number) && (1..=12).contains(&month);
    let now = ASN1Time::from_timestamp(now_s).ok()?.to_datetime();
    let newest = i64::from(now.year()) * 12 + i64::from(u8::from(now.month())) + MONTHS_AHEAD;
    (is_month && year * 12 + month <= newest).then_some(number)
}

/// Vendor and boot patch levels are documented as `YYYYMMDD`, and some phones write `YYYYMM`: the number without its day.
pub(super) fn without_day(number: i64) -> i64 {
    let has_day = (10_000_000..=99_999_999).contains(&number) && (1..=31).contains(&(number % 100));
    if has_day { number / 100 } else { number }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-15.
    const NOW_S: i64 = 1_794_700_800;

    #[test]
    fn a_patch_level_is_a_month_of_the_calendar() {
        for good in [200_801, 201_801, 202_601, 202_611, 202_612, 202_701, 202_711] {
            assert_eq!(patch_month(good, NOW_S), Some(good));
        }
        for bad in [
            i64::MIN,
            -202_601,
            0,
            1,
            2026,
            2601,
            99_999,
            202_600,
            202_613,
            202_699,
            202_712,
            202_801,
            999_912,
            1_000_001,
            2_026_011,
            20_180_105,
            20_260_105,
            99_999_999,
            i64::MAX,
        ] {
            assert_eq!(patch_month(bad, NOW_S), None, "{bad}");
        }
        assert_eq!(patch_month(202_601, i64::MAX), None, "without a time there is no month");
    }

    #[test]
    fn the_future_begins_where_now_is() {
        let january_2026_s = 1_767_225_600;
        assert_eq!(patch_month(202_701, january_2026_s), Some(202_701));
        assert_eq!(patch_month(202_702, january_2026_s), None);
        assert_eq!(patch_month(202_701, january_2026_s - 1), None, "it is December still");
        assert_eq!(patch_month(202_612, january_2026_s - 1), Some(202_612));
    }

    #[test]
    fn a_day_behind_the_month_is_left_out() {
        for (number, month) in [
            (20_180_105, 201_801),
            (20_261_231, 202_612),
            (202_601, 202_601),
            (20_180_100, 20_180_100),
            (20_180_132, 20_180_132),
            (99_999_999, 99_999_999),
            (0, 0),
            (-20_180_105, -20_180_105),
        ] {
            assert_eq!(without_day(number), month, "{number}");
        }
    }
}
