-- A step that stores passages and edits no block has one instant with them.
--
-- The step's row is written before its passages, dated by the clock; what is written after it in
-- the same transaction took a later instant, and memory as of that step did not show it.

create function remanence.share_moment_v1() returns trigger
language plpgsql
as $$
begin
    -- one that was taken already belongs to blocks of the same step, and lies before it; a row
    -- that is older than this transaction was copied
    if nullif(current_setting('remanence.moment', true), '') is null and new.created_at >= now() then
        perform set_config('remanence.moment', new.created_at::text, true);
    end if;
    return new;
end
$$;
create trigger steps_share_moment before insert on remanence.steps
    for each row execute function remanence.share_moment_v1();

revoke all on all functions in schema remanence from public;
grant execute on all functions in schema remanence to remanence_app;
