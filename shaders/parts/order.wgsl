// The order of an epoch's rows. Needs parts philox, shuffle and schedule; a kernel provides the buffer order.

const ORDER_SHUFFLED: u32 = 0u;  // a shuffle keyed by seed, update and epoch
const ORDER_GIVEN: u32 = 1u;     // order[offset + j], clamped to the rows
const ORDER_IN_PLACE: u32 = 2u;  // rows stay where they are

// The source of row j of `rows`.
fn order_source(j: u32, rows: u32, use_order: u32, offset: u32, epoch: u32) -> u32 {
    if (use_order == ORDER_IN_PLACE) {
        return j;
    }
    if (use_order == ORDER_GIVEN) {
        return min(order[offset + j], rows - 1u);
    }
    let key = philox_block(
        philox_counter(PHILOX_SHUFFLE, epoch, 0u, vec2<u32>(schedule.update_low, schedule.update_high)),
        vec2<u32>(schedule.seed_low, schedule.seed_high),
    );
    return shuffle_index(j, rows, key);
}
