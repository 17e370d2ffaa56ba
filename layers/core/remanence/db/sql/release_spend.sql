-- release_spend: gives back what was reserved for a call that came to nothing.
-- takes:   step_id text
-- returns: nothing
-- uses:    spend_reservations_pkey
delete from remanence.spend_reservations as held
where held.step_id = %(step_id)s::text and held.org_id = remanence.current_org()
