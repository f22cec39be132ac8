//! What opening makes of what a crash, a kill or a bad disk left.

use crate::store::{
    DIR, DIRECT, LINK_END, append, by, config, contents, edit, end_of_frames, open, open_in, read, reopened, segment,
};
use batpak_segment::testing::{Fault, FaultyFileSystem, Operation, When};
use batpak_segment::{Frame, LogError, Position, WritePath};
use std::io::ErrorKind;
use std::path::Path;

fn flip(fs: &FaultyFileSystem, number: u64, offset: u64) {
    edit(fs, &segment(number), |bytes| bytes[usize::try_from(offset).unwrap()] ^= 1);
}

#[test]
fn a_flipped_bit_in_the_500th_of_5000_is_damage_and_nothing_is_changed() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    let mut at = Vec::new();
    for i in 0..5000_u32 {
        at.push(log.append(format!("record {i}").as_bytes()).unwrap());
        if i % 1000 == 999 {
            log.sync().unwrap();
        }
    }
    let fs = fs.after_kill();
    flip(&fs, 0, at[500].offset + 9);
    let before = fs.contents();
    let error = open_in(&fs.environment(), DIRECT).unwrap_err();
    let frame = at[500].offset - 40;
    assert!(matches!(error, LogError::Damaged { segment: 0, offset, .. } if offset == frame), "{error}");
    assert!(error.is_corruption());
    assert_eq!(fs.contents(), before);
}

#[test]
fn a_bad_place_past_the_last_mark_is_cut_and_reported_with_the_good_frames_after_it() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    append(&log, &[b"kept"]);
    log.sync().unwrap();
    let bad = log.append(b"bad").unwrap();
    append(&log, &[b"good 1", b"good 2"]);
    let fs = fs.after_kill();
    flip(&fs, 0, bad.offset + 9);
    let (found, repair) = reopened(&fs, DIRECT);
    assert_eq!(found, [b"kept"]);
    let torn = repair.torn.unwrap();
    assert_eq!((torn.segment, torn.offset, torn.frames), (0, bad.offset - 40, 2));
    assert!(!repair.closed_cleanly);
    let (found, repair) = reopened(&fs, DIRECT);
    assert_eq!((found.len(), repair.torn), (1, None));
}

/// A frame is cut because a sector before it was lost; then the lost one is tried again, byte for byte, so that what
/// was cut would follow it with the right crc.
#[test]
fn what_was_cut_does_not_come_back_when_the_same_is_appended_again() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    let lost = log.append(&[7; 700]).unwrap();
    append(&log, &[b"cut"]);
    let fs = fs.after_kill();
    flip(&fs, 0, lost.offset + 9);
    let (log, repair) = open(&fs, DIRECT);
    assert_eq!(repair.torn.map(|torn| torn.frames), Some(1));
    append(&log, &[&[7; 700]]);
    let (found, _) = reopened(&fs.after_kill(), DIRECT);
    assert_eq!(found, [[7; 700]]);
}

/// As above, but the sync of the zeros failed, so that only the page cache has them. The lost frame ends where a sector
/// ends, so that the next append does not write over the beginning of what was cut.
#[test]
fn what_was_cut_does_not_come_back_when_the_sync_of_the_repair_failed() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    let lost = log.append(&[7; 616]).unwrap();
    assert_eq!((lost.offset + 8 + 616) % 512, 0);
    append(&log, &[&[8; 700]]);
    let fs = fs.after_kill();
    flip(&fs, 0, lost.offset + 9);
    // That before the repair, whose outcome does not count, and that of the repair.
    fs.plan(When::Next(Operation::Sync), Fault::Once(ErrorKind::Other));
    fs.plan(When::Next(Operation::Sync), Fault::Once(ErrorKind::Other));
    open_in(&fs.environment(), DIRECT).unwrap_err();
    let (log, _) = open(&fs, DIRECT);
    append(&log, &[&[7; 616]]);
    log.sync().unwrap();
    for seed in 0..50 {
        let (found, _) = reopened(&fs.after_power_cut(seed), DIRECT);
        assert_eq!(found, [[7; 616]], "seed {seed}");
    }
}

/// The writer dies between the seal and its sync. Were the end of the sealed segment not written again, a power cut
/// after the next sync would take records out of the middle of the log.
#[test]
fn a_segment_whose_seal_was_never_synced_is_made_durable_before_the_next_one_is_used() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    append(&log, &[&[1; 600]]);
    fs.plan(When::Next(Operation::SetLength), Fault::Once(ErrorKind::Other));
    log.rotate().unwrap_err();
    let fs = fs.after_kill();
    let (log, _) = open(&fs, DIRECT);
    assert_eq!(log.reader().segment_count(), 2);
    append(&log, &[b"later"]);
    log.sync().unwrap();
    for seed in 0..50 {
        let (found, _) = reopened(&fs.after_power_cut(seed), DIRECT);
        assert_eq!(found, [&[1; 600][..], b"later"], "seed {seed}");
    }
}

/// The writer dies after the rename of a segment and before the sync of the directory.
#[test]
fn the_name_of_a_new_log_is_durable_before_its_first_sync_returns() {
    let fs = FaultyFileSystem::new();
    let skip = fs.calls();
    drop(open(&fs, DIRECT));
    let made = fs.operations_since(skip);
    let rename = made.iter().position(|operation| *operation == Operation::Rename).unwrap() as u64 + 1;
    let fs = FaultyFileSystem::new();
    fs.plan(When::Call(rename + 1), Fault::Once(ErrorKind::Other));
    open_in(&fs.environment(), DIRECT).unwrap_err();
    let fs = fs.after_kill();
    let (log, _) = open(&fs, DIRECT);
    append(&log, &[b"promised"]);
    log.sync().unwrap();
    for seed in 0..50 {
        assert_eq!(reopened(&fs.after_power_cut(seed), DIRECT).0, [b"promised"], "seed {seed}");
    }
}

#[test]
fn a_torn_link_is_written_again_and_what_follows_it_is_cut() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    append(&log, &[b"sealed"]);
    log.rotate().unwrap();
    append(&log, &[b"cut"]);
    let fs = fs.after_kill();
    flip(&fs, 1, 300);
    let (log, repair) = open(&fs, DIRECT);
    assert_eq!(contents(log.reader()), [b"sealed"]);
    let torn = repair.torn.unwrap();
    assert_eq!((torn.segment, torn.offset, torn.frames), (1, 256, 1));
    assert_eq!(log.append(b"again").unwrap(), Position { sequence: 1, offset: LINK_END + 40 });
    let (found, repair) = reopened(&fs.after_kill(), DIRECT);
    assert_eq!(found, [&b"sealed"[..], b"again"]);
    assert_eq!(repair.torn, None);
}

/// What was read of a sealed segment is written again before an empty one behind it is used; what was not read, because
/// it stands behind damage, must not be cut by that.
#[test]
fn damage_in_a_sealed_segment_before_a_torn_link_is_told_and_nothing_is_changed() {
    for synced in [false, true] {
        let fs = FaultyFileSystem::new();
        let (log, _) = open(&fs, DIRECT);
        let damaged = log.append(b"damaged").unwrap();
        if synced {
            log.sync().unwrap();
        }
        append(&log, &[b"behind it"]);
        log.rotate().unwrap();
        append(&log, &[b"behind the link"]);
        let fs = fs.after_kill();
        flip(&fs, 0, damaged.offset + 9);
        flip(&fs, 1, 300);
        let before = fs.contents();
        let error = open_in(&fs.environment(), DIRECT).unwrap_err();
        let frame = damaged.offset - 40;
        assert!(matches!(error, LogError::Damaged { segment: 0, offset, .. } if offset == frame), "{error}");
        assert_eq!(fs.contents(), before);
    }
}

#[test]
fn a_segment_without_a_seal_before_one_that_holds_frames_is_damage() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    append(&log, &[b"sealed"]);
    log.rotate().unwrap();
    drop(log);
    let seal = read(&fs, &segment(0)).len() as u64 - 88;
    for link_too in [false, true] {
        let fs = fs.after_kill();
        flip(&fs, 0, seal + 50);
        if link_too {
            flip(&fs, 1, 300);
        }
        let before = fs.contents();
        let error = open_in(&fs.environment(), DIRECT).unwrap_err();
        assert!(matches!(error, LogError::Damaged { segment: 0, offset, .. } if offset == seal), "{error}");
        assert_eq!(fs.contents(), before);
    }
}

#[test]
fn opening_and_closing_many_times_adds_nothing() {
    let fs = FaultyFileSystem::new();
    drop(open(&fs, DIRECT));
    for records in [0, 3] {
        let (log, _) = open(&fs, DIRECT);
        for _ in 0..records {
            append(&log, &[b"a record"]);
        }
        log.close().unwrap();
        drop(log);
        let before = fs.contents();
        for _ in 0..20 {
            let (log, repair) = open(&fs, DIRECT);
            assert!(repair.closed_cleanly);
            assert_eq!((repair.torn, repair.removed), (None, Vec::new()));
            log.close().unwrap();
        }
        assert_eq!(fs.contents(), before);
    }
}

#[test]
fn a_log_that_was_killed_or_only_dropped_keeps_all_that_was_accepted() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, config(700));
    append(&log, &[&[1_u8; 100][..]; 20]);
    let (found, repair) = reopened(&fs.after_kill(), config(700));
    assert_eq!((found.len(), repair.closed_cleanly, repair.torn), (20, false, None));
    drop(log);
    let (found, repair) = reopened(&fs, config(700));
    assert_eq!((found.len(), repair.closed_cleanly), (20, true));
}

/// After a failed sync the page cache holds what the disk never got; the next writer shows it only once it is there.
#[test]
fn what_is_shown_after_a_failed_sync_survives_the_next_power_cut() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    append(&log, &[b"synced"]);
    log.sync().unwrap();
    append(&log, &[&[1; 2000]]);
    fs.plan(When::Next(Operation::Sync), Fault::Once(ErrorKind::Other));
    log.sync().unwrap_err();
    let fs = fs.after_kill();
    let (log, _) = open(&fs, DIRECT);
    let shown = contents(log.reader());
    assert_eq!(shown.len(), 2);
    assert_eq!(log.durable_sequence(), 2);
    for seed in 0..50 {
        assert_eq!(reopened(&fs.after_power_cut(seed), DIRECT).0, shown, "seed {seed}");
    }
}

#[test]
fn the_next_sequence_follows_the_last_one_that_was_kept() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    append(&log, &[b"0", b"1"]);
    let last = log.append(b"2").unwrap();
    let fs = fs.after_kill();
    flip(&fs, 0, last.offset);
    let (log, _) = open(&fs, DIRECT);
    assert_eq!(log.next_sequence(), 2);
    assert_eq!(log.append(b"another 2").unwrap().sequence, 2);
}

#[test]
fn a_frame_record_of_the_user_is_skipped() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    let mut frame = Frame::new();
    frame.push_frame_record(0xFFFF, b"?").unwrap();
    log.append_frame(&mut frame).unwrap();
    drop(log);
    assert!(open_in(&fs.environment(), DIRECT).is_ok());
}

/// Puts the end of a segment into a tail and takes it out of the segment.
fn move_to_tail(fs: &FaultyFileSystem, from: u64) {
    let bytes = read(fs, &segment(0));
    let from = usize::try_from(from).unwrap();
    let mut ring = vec![0; 65536];
    for (at, byte) in bytes.iter().enumerate().take(end_of_frames(&bytes)).skip(from) {
        ring[at % 65536] = *byte;
    }
    fs.put(Path::new(DIR).join("batpak.tail"), &ring);
    edit(fs, &segment(0), |bytes| bytes.truncate(from));
}

#[test]
fn frames_that_are_only_in_the_tail_are_taken_also_where_they_wrap_around() {
    for len in [50, 65000] {
        let fs = FaultyFileSystem::new();
        let (log, _) = open(&fs, DIRECT);
        append(&log, &[&vec![1; len]]);
        let second = log.append(&[2; 100]).unwrap();
        append(&log, &[&[3; 400]]);
        let fs = fs.after_kill();
        move_to_tail(&fs, second.offset - 40);
        let reader = batpak_segment::LogReader::open(&fs.environment(), Path::new(DIR), 1).unwrap();
        assert_eq!(contents(&reader).len(), 3);
        let (found, repair) = reopened(&fs, DIRECT);
        assert_eq!((found.len(), repair.from_tail, repair.torn), (3, 2, None));
        let (found, repair) = reopened(&fs, DIRECT);
        assert_eq!((found.len(), repair.from_tail), (3, 0));
    }
}

#[test]
fn a_tail_that_does_not_continue_the_segment_is_ignored() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    append(&log, &[b"0"]);
    let second = log.append(b"1").unwrap();
    append(&log, &[b"2"]);
    let fs = fs.after_kill();
    move_to_tail(&fs, second.offset - 40);
    edit(&fs, &Path::new(DIR).join("batpak.tail"), |ring| ring[usize::try_from(second.offset).unwrap()] ^= 1);
    let (found, repair) = reopened(&fs, DIRECT);
    assert_eq!((found, repair.from_tail), (vec![b"0".to_vec()], 0));
}

/// A power cut takes the first of two records out of the tail. Were the tail left where it is, the second would come
/// back as soon as the first one is appended again.
#[test]
fn what_was_cut_does_not_come_back_from_the_tail_that_was_left() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, by(WritePath::Tail));
    let lost = log.append(&[7; 100]).unwrap();
    append(&log, &[b"cut"]);
    let left = fs.after_kill();
    edit(&left, &Path::new(DIR).join("batpak.tail"), |ring| ring[usize::try_from(lost.offset).unwrap()] ^= 1);
    for path in [WritePath::Direct, WritePath::Tail] {
        let fs = left.after_kill();
        let (log, _) = open(&fs, by(path));
        assert_eq!(log.next_sequence(), 0);
        append(&log, &[&[7; 100]]);
        log.sync().unwrap();
        assert_eq!(reopened(&fs.after_kill(), by(path)).0, [[7; 100]], "{path:?}");
        for seed in 0..50 {
            assert_eq!(reopened(&fs.after_power_cut(seed), by(path)).0, [[7; 100]], "{path:?} seed {seed}");
        }
    }
}
