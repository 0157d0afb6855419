//! Calls as they end, over the socket.

use std::time::Duration;

use callgate_records::{Recorder, RecorderConfig};

use super::calls::call;
use super::house::House;
use crate::AdminCode;
use crate::views::{CallsQuery, Followed};

#[tokio::test]
async fn a_follower_hears_what_it_asked_for_until_the_gate_ends() {
    let house = House::new().await;
    let (recorder, guard) = Recorder::start(RecorderConfig::new(house.clock.clone())).unwrap();
    house.gate.recorder.set(recorder.clone()).unwrap();
    let door = house.door().await;
    let refused = CallsQuery { status: Some("4xx".to_owned()), ..CallsQuery::default() };
    let mut following = door.calls_follow(&refused).await.unwrap();
    for (number, status) in [(1, 200), (2, 429), (3, 200), (4, 429)] {
        recorder.record(Box::new(call(number, status)));
    }
    for expect in ["/shop/books/2", "/shop/books/4"] {
        match following.next().await.unwrap() {
            Some(Followed::Call(call)) => assert_eq!(&*call.path, expect),
            other => panic!("{other:?}"),
        }
    }
    // The gate stops its recorder, and so everybody who follows hears the end.
    assert!(guard.stop(Duration::from_secs(10)).await);
    assert!(following.next().await.unwrap().is_none());
    let error = door.calls_follow(&CallsQuery::default()).await.unwrap_err();
    assert_eq!(error.code, AdminCode::NotRunning, "{error}");
}
