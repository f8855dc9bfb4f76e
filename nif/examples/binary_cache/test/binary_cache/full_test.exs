defmodule BinaryCache.FullTest do
  use BinaryCache.Case, async: true

  alias Chunker.Store

  @moduletag :tmpfs
  @full "the cache is full"

  setup %{root: root} do
    disk = Path.join(root, "disk")
    File.mkdir_p!(disk)
    {_, 0} = as_root(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk])
    on_exit(fn -> as_root(["umount", "-l", disk]) end)
    %{disk: disk}
  end

  defp as_root(command) do
    [program | arguments] = Application.fetch_env!(:binary_cache, :as_root) ++ command
    System.cmd(program, arguments)
  end

  defp files(cache), do: cache |> BinaryCache.store() |> Store.files() |> Enum.count()

  test "a NAR for which there is no room is refused, and leaves nothing", %{disk: disk} do
    %{port: port, cache: cache, root: root} = start_cache(root: Path.join(disk, "cache"))
    nar = Nar.file(:crypto.strong_rand_bytes(30_000_000))
    {sent, narinfo} = Nar.to_send(nar, Nar.store_path("too-much"))
    assert outcome(request(port, "PUT", "/" <> narinfo.url, sent)) == {507, @full}
    assert stored(cache, root) == {[], [], 0}
    log = "/log/9krlzvny65gdc8s7kpb6lkx8cd02c25b-a.drv"
    assert outcome(request(port, "PUT", log, sent)) == {507, @full}
    assert Path.wildcard(Path.join(root, "documents/*/*"), match_dot: true) == []
    # There is room for less.
    path = Nar.store_path("less")
    assert {201, 201} = push(port, Nar.file("less"), path)
    assert pull(port, path) == Nar.file("less")
  end

  test "chunks for which there is no room make nothing available until there is", %{disk: disk, root: root} do
    options = [root: Path.join(root, "cache"), store: Path.join(disk, "store")]
    %{port: port, cache: cache, root: root} = start_cache(options)
    filler = Path.join(disk, "filler")
    File.write!(filler, :binary.copy("x", 15_000_000))
    path = Nar.store_path("full")
    nar = Nar.file(:crypto.strong_rand_bytes(12_000_000))
    assert {201, 507} = push(port, nar, path)
    assert get_narinfo(port, path) == 404
    assert File.ls!(Path.join(root, "paths")) == []
    assert files(cache) == 0

    # The NAR waits, for clients that try again.
    {_, narinfo} = Nar.to_send(nar, path)
    assert put_narinfo(port, narinfo) == 507
    File.rm!(filler)
    assert put_narinfo(port, narinfo) == 201
    assert pull(port, path) == nar
    assert {:ok, %{sound: true}} = Store.check(BinaryCache.store(cache), read_data: true)
  end

  test "a record for which there is no room makes nothing available", %{disk: disk, root: root} do
    options = [root: Path.join(disk, "cache"), store: Path.join(root, "store")]
    %{port: port, cache: cache, root: root} = start_cache(options)
    path = Nar.store_path("full")
    {sent, narinfo} = Nar.to_send(Nar.file("full"), path)
    assert {201, _, _} = request(port, "PUT", "/" <> narinfo.url, sent)
    filler = Path.join(disk, "filler")
    assert {:error, :enospc} = File.write(filler, :binary.copy("x", 30_000_000))
    assert put_narinfo(port, narinfo) == 507
    assert get_narinfo(port, path) == 404
    assert File.ls!(Path.join(root, "paths")) == []
    assert files(cache) == 0
    File.rm!(filler)
    assert put_narinfo(port, narinfo) == 201
    assert files(cache) == 1
    assert pull(port, path) == Nar.file("full")
  end
end
