#!/usr/bin/env escript
%% Loads FILE into Mnesia, the way the series found the fastest: a bag in memory, written outside of transactions,
%% then with an index on its second column (such writes keep none), and then made a table on disk.
%% escript follows_mnesia.escript FILE DIRECTORY LARGEST
-mode(compile).
-record(subscription, {subscriber, subscribee}).

main([File, Directory, Largest]) ->
    ok = application:load(mnesia),
    application:set_env(mnesia, dir, Directory),
    application:set_env(mnesia, dump_log_write_threshold, 100000),
    ok = mnesia:create_schema([node()]),
    ok = mnesia:start(),
    {atomic, ok} = mnesia:create_table(subscription, [
        {ram_copies, [node()]}, {type, bag},
        {attributes, record_info(fields, subscription)}]),
    Began = erlang:monotonic_time(millisecond),
    {ok, Device} = file:open(File, [read, raw, binary, {read_ahead, 1048576}]),
    mnesia:ets(fun() -> load(Device) end),
    {atomic, ok} = mnesia:add_table_index(subscription, subscribee),
    {atomic, ok} = mnesia:change_table_copy_type(subscription, node(), disc_copies),
    Loaded = erlang:monotonic_time(millisecond),
    Found = mnesia:dirty_index_read(subscription, list_to_binary(Largest), #subscription.subscribee),
    Read = erlang:monotonic_time(millisecond),
    io:format("{\"seconds\": ~.3f, \"largest_s\": ~.3f, \"followers\": ~b}~n",
              [(Loaded - Began) / 1000, (Read - Loaded) / 1000, length(Found)]),
    halt(0).

load(Device) ->
    case file:read_line(Device) of
        {ok, Line} ->
            [Subscriber, Subscribee] = binary:split(binary:part(Line, 0, byte_size(Line) - 1), <<"\t">>),
            mnesia:write(#subscription{subscriber = binary:copy(Subscriber),
                                       subscribee = binary:copy(Subscribee)}),
            load(Device);
        eof -> ok
    end.
