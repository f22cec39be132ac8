//! Commits: what they hold, how long they may be, and that they are whole or not there.

use crate::store::{DIRECT, LINK_END, append, config, edit, open, open_in, read, reopened, segment};
use batpak_segment::testing::FaultyFileSystem;
use batpak_segment::{Frame, LogConfig, LogError};

#[test]
fn a_record_may_be_empty_and_hold_anything() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    let odd: Vec<&[u8]> = vec![b"", &[0; 64], &[0xAE, b'b', b'p', b'f'], b"BATPAKSG"];
    append(&log, &odd);
    log.close().unwrap();
    assert_eq!(reopened(&fs, DIRECT).0, odd);
}

#[test]
fn a_frame_at_the_limit_passes_and_one_byte_more_names_both_numbers() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, LogConfig { frame_max_bytes: 256, ..DIRECT });
    let mut frame = Frame::new();
    frame.push(&[1; 208]);
    assert_eq!(frame.encoded_len(), 256);
    log.append_frame(&mut frame).unwrap();
    frame.clear();
    frame.push(&[1; 209]);
    let error = log.append_frame(&mut frame).unwrap_err();
    assert!(matches!(error, LogError::TooLarge { limit: 256, value: 264, .. }), "{error}");
    assert_eq!(log.append(b"and on").unwrap().sequence, 1);
}

#[test]
fn a_frame_can_be_filled_and_changed_and_used_again() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    let mut frame = Frame::new();
    assert!(frame.is_empty());
    frame.push(b"one");
    frame.push_frame_record(256, b"beside").unwrap();
    let failed: Result<(), &str> = frame.push_with(|buffer| {
        buffer.extend_from_slice(b"half of it");
        Err("no")
    });
    assert_eq!(failed, Err("no"));
    frame
        .push_with(|buffer| {
            buffer.extend_from_slice(b"two");
            Ok::<_, ()>(())
        })
        .unwrap();
    frame.record_mut(0).copy_from_slice(b"ONE");
    assert_eq!((frame.len(), frame.is_empty()), (2, false));
    let first = log.append_frame(&mut frame).unwrap();
    let again = log.append_frame(&mut frame).unwrap();
    assert_eq!((first.first_sequence, again.first_sequence), (0, 2));
    assert_eq!(first.bytes, frame.encoded_len());
    frame.push(b"three");
    log.append_frame(&mut frame).unwrap();
    log.close().unwrap();
    let all: Vec<&[u8]> = vec![b"ONE", b"two", b"ONE", b"two", b"ONE", b"two", b"three"];
    assert_eq!(reopened(&fs, DIRECT).0, all);
}

#[test]
fn the_types_of_the_log_itself_cannot_be_pushed() {
    let error = Frame::new().push_frame_record(255, b"").unwrap_err();
    assert!(matches!(error, LogError::InvalidOption { min: 256, value: 255, .. }), "{error}");
}

#[test]
fn frame_records_burn_no_sequence() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    let mut frame = Frame::new();
    frame.push_frame_record(300, b"only this").unwrap();
    assert_eq!(log.append_frame(&mut frame).unwrap().first_sequence, 0);
    assert_eq!(log.append_frame(&mut Frame::new()).unwrap().first_sequence, 0);
    assert_eq!(log.append(b"first").unwrap().sequence, 0);
    log.close().unwrap();
    assert_eq!(reopened(&fs, DIRECT).0, [b"first"]);
}

#[test]
fn every_cut_through_a_batch_takes_all_of_it() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    append(&log, &[b"before"]);
    let mut frame = Frame::new();
    for i in 0..5_u8 {
        frame.push(&[i; 30]);
    }
    let at = log.append_frame(&mut frame).unwrap();
    for cut in at.offset..at.offset + at.bytes {
        let fs = fs.after_kill();
        edit(&fs, &segment(0), |bytes| bytes.truncate(usize::try_from(cut).unwrap()));
        let (found, repair) = reopened(&fs, DIRECT);
        assert_eq!(found, [b"before"], "cut at {cut}");
        assert_eq!(repair.torn.is_some(), cut > at.offset);
    }
}

#[test]
fn zeros_are_no_frame_and_a_length_beyond_the_file_is_refused() {
    let fs = FaultyFileSystem::new();
    drop(open(&fs, DIRECT));
    let end = usize::try_from(LINK_END).unwrap();
    let cases: [(&[u8], bool); 4] = [
        (&[0; 64], false),
        (&[0xAE, b'b', b'p', b'f', 0xF8, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0], true),
        (&[0xAE, b'b', b'p', b'f', 0, 0, 0, 0], true),
        (&[0xAE, b'b', b'p', b'f', 41, 0, 0, 0], true),
    ];
    for (bytes, torn) in cases {
        let fs = fs.after_kill();
        edit(&fs, &segment(0), |file| {
            file.truncate(end);
            file.extend_from_slice(bytes);
            file.resize(end + 64, 0);
        });
        let (found, repair) = reopened(&fs, DIRECT);
        assert!(found.is_empty());
        assert_eq!(repair.torn.is_some(), torn, "{bytes:?}");
    }
}

#[test]
fn a_frame_copied_to_another_offset_is_not_taken() {
    let fs = FaultyFileSystem::new();
    let (log, _) = open(&fs, DIRECT);
    let mut frame = Frame::new();
    frame.push(b"once");
    let at = log.append_frame(&mut frame).unwrap();
    drop(log);
    edit(&fs, &segment(0), |bytes| {
        let from = usize::try_from(at.offset).unwrap();
        bytes.truncate(from + usize::try_from(at.bytes).unwrap());
        bytes.extend_from_within(from..);
    });
    let (found, repair) = reopened(&fs, DIRECT);
    assert_eq!(found, [b"once"]);
    assert_eq!(repair.torn.map(|torn| torn.frames), Some(0));
}

/// Two histories of one segment: the same place and sequence, another frame before.
#[test]
fn a_frame_of_another_history_of_its_segment_is_not_taken() {
    let fs = FaultyFileSystem::new();
    drop(open(&fs, DIRECT));
    let twin = fs.after_kill();
    for (fs, records) in [(&fs, [b"mine", b"more"]), (&twin, [b"hers", b"tail"])] {
        let (log, _) = open(fs, DIRECT);
        append(&log, &[records[0], records[1]]);
        std::mem::forget(log);
    }
    let other = read(&twin, &segment(0));
    let second = usize::try_from(LINK_END).unwrap() + 56;
    let fs = fs.after_kill();
    edit(&fs, &segment(0), |bytes| bytes[second..].copy_from_slice(&other[second..]));
    let (found, repair) = reopened(&fs, DIRECT);
    assert_eq!(found, [b"mine"]);
    assert_eq!(repair.torn.map(|torn| torn.frames), Some(1));
}

#[test]
fn a_frame_copied_from_another_store_is_not_taken() {
    let [fs, other] = [(); 2].map(|()| {
        let fs = FaultyFileSystem::new();
        let (log, _) = open(&fs, DIRECT);
        append(&log, &[b"same"]);
        fs.after_kill()
    });
    let foreign = read(&other, &segment(0));
    let from = usize::try_from(LINK_END).unwrap();
    edit(&fs, &segment(0), |bytes| bytes[from..].copy_from_slice(&foreign[from..]));
    let (found, repair) = reopened(&fs, DIRECT);
    assert!(found.is_empty());
    assert!(repair.torn.is_some());
}

#[test]
fn an_option_outside_its_bounds_is_named() {
    let fs = FaultyFileSystem::new();
    let cases = [
        ("segment_max_bytes", config(511)),
        ("segment_max_bytes", config((1 << 30) + 1)),
        ("frame_max_bytes", LogConfig { frame_max_bytes: 255, ..DIRECT }),
        ("frame_max_bytes", LogConfig { frame_max_bytes: (1 << 30) + 1, ..DIRECT }),
        ("fd_budget", LogConfig { fd_budget: 0, ..DIRECT }),
        ("fd_budget", LogConfig { fd_budget: 65537, ..DIRECT }),
    ];
    for (name, config) in cases {
        let error = open_in(&fs.environment(), config).unwrap_err();
        assert!(matches!(error, LogError::InvalidOption { field, .. } if field == name), "{error}");
    }
    assert!(fs.contents().is_empty());
}
