use proptest::prelude::*;

use super::*;

/// A frame: its first byte, and its payload; masked with `mask`.
fn frame(first: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut frame = vec![first];
    let masked = if mask.is_some() { MASKED } else { 0 };
    match payload.len() {
        short @ 0..=125 => frame.push(masked | short as u8),
        middle @ 126..=0xffff => {
            frame.push(masked | 126);
            frame.extend((middle as u16).to_be_bytes());
        }
        long => {
            frame.push(masked | 127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend(mask.iter().flatten());
    let mask = mask.unwrap_or_default();
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

const MASK: Option<[u8; 4]> = Some([0x37, 0xfa, 0x21, 0x3d]);

/// What passes of these bytes from a server, and why not more.
fn check(bytes: &[u8], passes: usize, fault: Option<FrameFault>) -> FrameReader {
    let mut reader = FrameReader::new(Sender::Server, 1000);
    assert_eq!(reader.pass(bytes, false), Passed { bytes: passes, fault }, "{bytes:02x?}");
    reader
}

#[test]
fn messages_and_their_bytes_are_counted() {
    let all = [
        frame(0x81, b"one", None),
        frame(0x02, b"tw", None),
        frame(0x89, b"ping between fragments", None),
        frame(0x80, b"o", None),
        frame(0x82, b"", None),
        frame(0x8a, b"", None),
    ]
    .concat();
    let reader = check(&all, all.len(), None);
    assert_eq!((reader.messages(), reader.bytes(), reader.close_code()), (3, 6, None));
}

#[test]
fn faults_are_told_at_the_head_and_nothing_of_it_passes() {
    use FrameFault::*;
    let good = frame(0x81, b"one", None);
    for (bad, fault) in [
        (&b"\xc1\x00"[..], Reserved),
        (b"\x83\x00", Opcode),
        (b"\x8b", Opcode),
        (b"\x81\x80\0\0\0\0", Mask),
        (b"\x09\x00", Control),
        (b"\x89\x7e\x00\x7e", Control),
        (b"\x88\x01\x03", Close),
        (b"\x88\x02\x03\xe7", Close),
        (b"\x88\x02\x03\xec", Close),
        (b"\x88\x02\x03\xed", Close),
        (b"\x88\x02\x03\xee", Close),
        (b"\x88\x02\x03\xf7", Close),
        (b"\x88\x02\x07\xd0", Close),
        (b"\x88\x02\x13\x88", Close),
        (b"\x88\x04\x03\xe8a\xff", Text),
        (b"\x80\x00", Fragment),
        (b"\x81\x7e\x00\x7d", Length),
        (b"\x81\x7f\x00\x00\x00\x00\x00\x00\xff\xff", Length),
        (b"\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x00", Length),
        (b"\x82\x7e\x03\xe9", TooLarge),
        (b"\x82\x7f\x00\x00\x00\x00\x40\x00\x00\x00", TooLarge),
    ] {
        check(&[&good, bad].concat(), good.len(), Some(fault));
    }
    check(&[frame(0x01, b"a", None), frame(0x81, b"b", None)].concat(), 3, Some(Fragment));
    let mut reader = FrameReader::new(Sender::Client, 1000);
    assert_eq!(reader.pass(&good, false).fault, Some(Mask));
}

#[test]
fn a_message_is_as_large_as_its_fragments_together() {
    let piece = frame(0x00, &[7; 400], None);
    let all = [frame(0x02, &[7; 400], None), piece.clone(), frame(0x89, &[7; 125], None), piece].concat();
    let reader = check(&all, 2 * 404 + 127, Some(FrameFault::TooLarge));
    assert_eq!((reader.messages(), reader.bytes()), (0, 800));
}

#[test]
fn half_a_head_does_not_pass_and_half_a_payload_does() {
    check(b"\x81", 0, None);
    check(b"\x81\x7e\x01", 0, None);
    assert!(!check(b"\x81\x05he", 4, None).is_between_frames());
    let mut reader = FrameReader::new(Sender::Client, 1000);
    let whole = frame(0x81, b"hello", MASK);
    assert_eq!(reader.pass(&whole[..5], false).bytes, 0);
    assert_eq!(reader.pass(&whole[..7], false).bytes, 7);
    assert_eq!(reader.pass(&whole[7..], false).bytes, 4);
}

#[test]
fn nothing_follows_a_close() {
    let close = close_frame(1008, "no", None);
    let reader = check(&[close.clone(), frame(0x81, b"more", None)].concat(), close.len(), None);
    assert_eq!(reader.close_code(), Some(1008));
    assert_eq!(check(b"\x88\x00", 2, None).close_code(), Some(1005));
    let mut reader = FrameReader::new(Sender::Client, 0);
    let masked = close_frame(4321, "because", MASK);
    for length in 0..masked.len() {
        assert_eq!(reader.pass(&masked[..length], false), Passed { bytes: 0, fault: None }, "a Close passes whole");
    }
    assert_eq!(reader.pass(&masked, false).bytes, masked.len());
    assert_eq!(reader.close_code(), Some(4321));
}

#[test]
fn a_text_that_is_none_never_passes_whole() {
    let text = |first, payload: &[u8]| frame(first, payload, None);
    // Fragments may cut a character, and a ping may come in between.
    let cut = [text(0x01, b"\xe2"), text(0x89, b"\xff"), text(0x00, b"\x82"), text(0x80, b"\xac")].concat();
    assert_eq!(check(&cut, cut.len(), None).messages(), 1);
    check(&text(0x82, b"\xff\xfe"), 4, None);
    for (bad, passes) in [
        (text(0x81, b"abc\xff"), 5),
        (text(0x81, b"abc\xe2\x82"), 6),
        ([text(0x01, b"\xe2\x82"), text(0x80, b"A")].concat(), 6),
        ([text(0x01, b"\xe2\x82"), text(0x80, b"")].concat(), 4),
        ([text(0x01, b"\xe2\x82"), text(0x00, b""), text(0x80, b"\x82\x82")].concat(), 9),
    ] {
        let mut reader = check(&bad, passes, Some(FrameFault::Text));
        assert_eq!(reader.messages(), 0);
        let again = reader.pass(&bad[passes..], true);
        let between = reader.is_between_frames();
        assert_eq!(again, Passed { bytes: 0, fault: (!between).then_some(FrameFault::Text) }, "and never does");
    }
}

#[test]
fn a_message_of_empty_fragments_has_an_end() {
    let most = bounds::WEBSOCKET_EMPTY_FRAGMENTS_MAX as usize;
    let (begin, empty, ping) = (frame(0x02, b"", None), frame(0x00, b"", None), frame(0x89, b"", None));
    let all = [begin.clone(), empty.repeat(most - 1), ping, frame(0x80, b"", None), begin, empty.repeat(most)].concat();
    let reader = check(&all, all.len() - 2, Some(FrameFault::Empty));
    assert_eq!(reader.messages(), 1);
}

#[test]
fn a_boundary_stops_it() {
    let (one, two) = (frame(0x81, b"one", None), frame(0x81, b"two", None));
    let mut reader = FrameReader::new(Sender::Server, 1000);
    assert_eq!(reader.pass(&one, true).bytes, 0);
    assert_eq!(reader.pass(&one[..3], false).bytes, 3);
    assert_eq!(reader.pass(&[&one[3..], &two].concat(), true).bytes, 2);
}

proptest! {
    #[test]
    fn any_bytes_read_alike_in_pieces(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        crate::fuzz_bodies::websocket(&bytes);
    }

    /// Frames of any kind, in pieces of any size, come to the same as in one.
    #[test]
    fn every_split_reads_the_same(
        frames in prop::collection::vec((prop::sample::select(vec![0x81_u8, 0x82, 0x01, 0x00, 0x80, 0x89, 0x8a, 0x88, 0xc1]), 0..300_usize, prop::sample::select(vec!["\u{5}", "\u{20ac}", "\u{4}\u{1f600}"]), 0..4_usize), 1..12),
        cuts in prop::collection::vec(1..40_usize, 1..40),
    ) {
        let bytes: Vec<u8> = frames
            .iter()
            .flat_map(|(first, length, text, skipped)| {
                let payload: Vec<u8> = text.bytes().cycle().skip(*skipped).take(*length).collect();
                frame(*first, &payload, MASK)
            })
            .collect();
        let mut whole = FrameReader::new(Sender::Client, 700);
        let expect = whole.pass(&bytes, false);
        let mut reader = FrameReader::new(Sender::Client, 700);
        let (mut passed, mut shown, mut fault) = (0, 0, None);
        for cut in cuts.iter().cycle() {
            shown = bytes.len().min(shown + cut);
            let step = reader.pass(&bytes[passed..shown], false);
            passed += step.bytes;
            fault = step.fault;
            if fault.is_some() || shown == bytes.len() {
                break;
            }
        }
        prop_assert_eq!(fault, expect.fault);
        prop_assert_eq!(passed, expect.bytes);
        prop_assert_eq!((reader.messages(), reader.bytes(), reader.close_code()), (whole.messages(), whole.bytes(), whole.close_code()));
    }
}
