//! A thousand buyers at once, three hundred seats, and no seat sold twice.
//!
//! `cargo run --release -p batpak --example seats`. The page `docs/guide/seats.md` writes it step by step.

#![expect(clippy::print_stdout, reason = "a program that shows something")]

use batpak::prelude::*;
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

const SEATS: usize = 300;
const BUYERS: usize = 1000;

#[derive(Serialize, Deserialize, EventPayload)]
#[batpak(category = 1)]
enum HallEvent {
    /// At the list of bookings, with the seat and the buyer as tags.
    #[batpak(type_id = 1, name = "booking.made")]
    BookingMade { seat: String, buyer: String },
    /// At the seat.
    #[batpak(type_id = 2, name = "seat.sold")]
    SeatSold { buyer: String },
    /// At the buyer.
    #[batpak(type_id = 3, name = "ticket.bought")]
    TicketBought { seat: String },
}

#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("{seat} is sold already: event {event}")]
    SeatSold { seat: String, event: EventId },
    #[error("{buyer} has a ticket already: event {event}")]
    HasTicket { buyer: String, event: EventId },
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
}

struct BoxOffice {
    store: Store,
    bookings: Coordinate,
    /// How often a sale was decided, also those that were overtaken.
    decided: AtomicU64,
}

impl BoxOffice {
    fn sell(&self, seat: &Coordinate, buyer: &Coordinate) -> Result<Vec<AppendReceipt>, DecideError<Refusal>> {
        let (seat_name, buyer_name) = (seat.entity(), buyer.entity());
        let sold = self.store.transact(|sale| {
            self.decided.fetch_add(1, Ordering::Relaxed);
            if let Some(row) = sale.query(&Region::entity(seat_name))?.last() {
                return Err(Refusal::SeatSold { seat: seat_name.to_owned(), event: row.event_id });
            }
            if let Some(row) = sale.query(&Region::entity(buyer_name))?.last() {
                return Err(Refusal::HasTicket { buyer: buyer_name.to_owned(), event: row.event_id });
            }
            let made = HallEvent::BookingMade { seat: seat_name.to_owned(), buyer: buyer_name.to_owned() };
            let sold = HallEvent::SeatSold { buyer: buyer_name.to_owned() };
            let bought = HallEvent::TicketBought { seat: seat_name.to_owned() };
            let (options, tags) = (AppendOptions::default(), [seat_name, buyer_name]);
            let booking =
                BatchAppendItem::typed(self.bookings.clone(), &made, options.with_tags(&tags), CausationRef::None)?;
            let cause = sale.push(booking).into();
            sale.push(BatchAppendItem::typed(seat.clone(), &sold, options, cause)?);
            sale.push(BatchAppendItem::typed(buyer.clone(), &bought, options, cause)?);
            Ok(())
        })?;
        Ok(sold.receipts)
    }
}

/// Two wishes, one after the other. Refusals are told, what else fails is an error.
fn shop(
    office: &BoxOffice,
    wishes: [&Coordinate; 2],
    buyer: &Coordinate,
) -> Result<Vec<Refusal>, DecideError<Refusal>> {
    let mut refusals = Vec::new();
    for seat in wishes {
        match office.sell(seat, buyer) {
            Ok(_) => {}
            Err(DecideError::Refused(refusal @ (Refusal::SeatSold { .. } | Refusal::HasTicket { .. }))) => {
                refusals.push(refusal);
            }
            Err(other) => return Err(other),
        }
    }
    Ok(refusals)
}

fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?; // a path of yours
    let seats: Result<Vec<_>, _> = (0..SEATS).map(|n| Coordinate::new(format!("seat:{n}"), "hall")).collect();
    let buyers: Result<Vec<_>, _> = (0..BUYERS).map(|n| Coordinate::new(format!("buyer:{n}"), "hall")).collect();
    let (seats, buyers) = (seats?, buyers?);
    let store = Store::open(StoreConfig::synced(dir.path()))?;
    let office = BoxOffice { store, bookings: Coordinate::new("bookings", "hall")?, decided: AtomicU64::new(0) };

    let door = RwLock::new(());
    let refusals = thread::scope(|scope| {
        let closed = door.write();
        let mut shopping = Vec::new();
        for (n, buyer) in buyers.iter().enumerate() {
            let wishes = [&seats[n % SEATS], &seats[(n + 7) % SEATS]];
            let (office, door) = (&office, &door);
            shopping.push(thread::Builder::new().stack_size(256 << 10).spawn_scoped(scope, move || {
                drop(door.read());
                shop(office, wishes, buyer)
            })?);
        }
        drop(closed); // all of them at once
        let mut refusals = Vec::new();
        for buyer in shopping {
            refusals.extend(buyer.join().map_err(|_| "a buyer panicked")??);
        }
        Ok::<_, Box<dyn Error>>(refusals)
    })?;
    let overtaken = office.decided.load(Ordering::Relaxed) - 2 * BUYERS as u64;
    println!("{BUYERS} buyers with two wishes each, {SEATS} seats; {overtaken} sales were overtaken and decided again");
    println!("{} refusals, such as: {}", refusals.len(), refusals.first().ok_or("nobody was refused")?);
    office.store.close()?;

    check(&Store::open_read_only(dir.path())?, &seats, &buyers, &refusals)
}

/// Looks at what is on disk: every seat sold once, no buyer with two, and each refusal right.
fn check(
    store: &Store,
    seats: &[Coordinate],
    buyers: &[Coordinate],
    refusals: &[Refusal],
) -> Result<(), Box<dyn Error>> {
    for seat in seats {
        assert_eq!(store.query(&Region::entity(seat.entity()))?.len(), 1, "{seat} is sold once");
        assert_eq!(store.query(&Region::tag(seat.entity()))?.len(), 1, "{seat} has one booking");
    }
    for buyer in buyers {
        assert!(store.query(&Region::entity(buyer.entity()))?.len() <= 1, "{buyer} has one ticket at most");
    }
    assert_eq!(store.query(&Region::entity("bookings"))?.len(), SEATS);
    assert_eq!(refusals.len(), 2 * BUYERS - SEATS);
    for refusal in refusals {
        let (name, event) = match refusal {
            Refusal::SeatSold { seat, event } => (seat, event),
            Refusal::HasTicket { buyer, event } => (buyer, event),
            Refusal::Store(_) => return Err("it was no refusal".into()),
        };
        assert_eq!(store.get(*event)?.coordinate.entity(), name, "{refusal}");
    }
    assert_eq!(store.verify_chain()?.events, 3 * SEATS as u64);
    println!("every seat is sold once, no buyer has two, and every refusal names the event that stood against it");
    Ok(())
}
