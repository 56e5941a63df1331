//! rate-limiter

use crate::frame::{UDP, frame, seen};
use crate::story::{Story, dropped};

#[test]
fn green_yellow_red_and_green_again() {
    // Frames of 47 bytes: the committed bucket holds two, the peak bucket three.
    let mut limiter = Story::new(
        "rate-limiter",
        &[
            ("committed_rate", "47"),
            ("committed_burst", "94"),
            ("peak_rate", "47"),
            ("peak_burst", "141"),
            ("yellow_dscp", "10"),
        ],
    );
    let packet = frame(UDP, ("10.0.0.1", 1), ("192.0.2.1", 2))
        .dscp(46)
        .bytes();
    assert_eq!(packet.len(), 47);
    limiter.passes(&packet);
    limiter.passes(&packet);
    assert_eq!(seen(&limiter.send(&packet).frame()).dscp, 10);
    assert_eq!(limiter.send(&packet), dropped("Limiter.exceeded"));
    // A second later there is room for one more.
    limiter.wait(1);
    limiter.passes(&packet);
    assert_eq!(limiter.send(&packet), dropped("Limiter.exceeded"));
}

#[test]
fn classes_have_meters_of_their_own() {
    let mut limiter = Story::new(
        "rate-limiter",
        &[
            ("classes", "10.0.0.0/8 * * -> set_class(7)"),
            ("committed_rate", "1"),
            ("committed_burst", "50"),
            ("peak_rate", "1"),
            ("peak_burst", "50"),
        ],
    );
    let ours = frame(UDP, ("10.0.0.1", 1), ("192.0.2.1", 2)).bytes();
    let theirs = frame(UDP, ("172.16.0.1", 1), ("192.0.2.1", 2)).bytes();
    limiter.passes(&ours);
    assert_eq!(limiter.send(&ours), dropped("Limiter.exceeded"));
    limiter.passes(&theirs);
}
