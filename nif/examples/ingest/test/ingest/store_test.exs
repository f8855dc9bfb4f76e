defmodule Ingest.StoreTest do
  use Ingest.Case, async: true

  alias Ingest.Store

  @bytes :binary.copy("content ", 10_000)

  setup %{root: root} do
    %{store: Store.open!(root), name: {:chunk, :sha256, digest(@bytes)}}
  end

  test "a file is where the specification says, and nothing is left behind", %{
    root: root,
    store: store,
    name: name
  } do
    digest = digest(@bytes)
    assert Store.put!(store, name, @bytes) == :ok
    assert Store.put!(store, {:manifest, digest}, @bytes) == :ok
    assert File.read!(Path.join([root, "chunks/sha256", binary_part(digest, 0, 2), digest])) == @bytes
    assert File.read!(Path.join([root, "manifests", binary_part(digest, 0, 2), digest])) == @bytes
    assert File.ls!(Path.join(root, "tmp")) == []
    assert Store.length!(store, name) == byte_size(@bytes)
    assert Store.read!(store, name) == @bytes
    assert Store.length!(store, {:chunk, :blake3, digest}) == nil
    assert Store.read!(store, {:chunk, :blake3, digest}) == nil
    assert Store.put!(store, {:chunk, :blake3, digest}, "") == :ok
    assert Store.read!(store, {:chunk, :blake3, digest}) == ""
  end

  test "what is refused, raises or is killed in the middle is never seen", %{
    root: root,
    store: store,
    name: name
  } do
    assert Store.put_pieces!(store, name, fn write -> {:error, write.(@bytes)} end) == {:error, :ok}

    assert_raise RuntimeError, fn ->
      Store.put_pieces!(store, name, fn write ->
        write.(@bytes)
        raise "in the middle"
      end)
    end

    assert files(root) == []
    test = self()

    writer =
      spawn(fn ->
        Store.put_pieces!(store, name, fn write ->
          write.(@bytes)
          send(test, :written)
          Process.sleep(:infinity)
        end)
      end)

    assert_receive :written
    assert Store.read!(store, name) == nil
    Process.exit(writer, :kill)
    assert [_] = files(root)
    assert Store.open!(root) |> Store.read!(name) == nil
    assert files(root) == []
  end

  test "whatever a crash leaves in tmp is removed at the next start", %{root: root, name: name} do
    File.write!(Path.join(root, "tmp/created"), "")
    File.write!(Path.join(root, "tmp/half"), "cont")
    File.mkdir_p!(Path.join(root, "tmp/directory/deep"))
    # A crash after the directory for a chunk was made, before the rename.
    File.mkdir_p!(Path.join([root, "chunks/sha256", binary_part(digest(@bytes), 0, 2)]))
    store = Store.open!(root)
    assert File.ls!(Path.join(root, "tmp")) == []
    assert Store.put!(store, name, @bytes) == :ok
    assert Store.read!(store, name) == @bytes
  end

  test "writers of one name, some of whom fail, leave one whole file", %{root: root, store: store, name: name} do
    1..60
    |> Task.async_stream(
      fn index ->
        half = div(byte_size(@bytes), 2)

        Store.put_pieces!(store, name, fn write ->
          write.(binary_part(@bytes, 0, half))
          assert Store.read!(store, name) in [nil, @bytes]
          write.(binary_part(@bytes, half, half))
          {if(rem(index, 3) == 0, do: :error, else: :ok), index}
        end)
      end,
      max_concurrency: 20
    )
    |> Enum.each(fn {:ok, {outcome, index}} ->
      assert outcome == if(rem(index, 3) == 0, do: :error, else: :ok)
    end)

    assert Store.read!(store, name) == @bytes
    assert files(root) == [digest(@bytes)]
  end

  test "a chunk that is set aside is missing, can be set aside again and stored again", context do
    %{root: root, store: store, name: name} = context
    Store.put!(store, name, "damage")
    assert Store.set_aside!(store, name) == :ok
    assert Store.set_aside!(store, name) == :ok
    assert Store.length!(store, name) == nil
    assert [damaged] = File.ls!(Path.join(root, "damaged"))
    assert String.starts_with?(damaged, "sha256-#{digest(@bytes)}-")
    Store.put!(store, name, @bytes)
    assert Store.read!(store, name) == @bytes
  end

  test "a store that cannot be opened says so", %{root: root} do
    File.write!(Path.join(root, "file"), "")
    assert_raise File.Error, fn -> Store.open!(Path.join(root, "file")) end
  end
end
