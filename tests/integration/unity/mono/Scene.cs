// Runs the package's components on a stand-in for UnityEngine.
//   shapes REST.bin POSE.bin     what skeleton, mesh, XR joints and rig make of a pose; the rig rests in REST
//   live URL TOKEN COUNT         the client component against a server, until COUNT poses were shown
//   browser POSE.bin HELLO.json  the WebGL transport against a stand-in for NativeWebSocket
using System;
using System.Collections.Generic;
using System.IO;
using System.Reflection;
using System.Threading;
using Myocast;
using Myocast.Unity;
using UnityEngine;

internal static class Scene
{
    private static int Main(string[] args)
    {
        switch (args[0])
        {
            case "shapes": Shapes(Read(args[1]), Read(args[2])); return 0;
            case "live": return Live(args[1], args[2], int.Parse(args[3]));
#if MYOCAST_NATIVEWEBSOCKET
            case "browser": Browser(File.ReadAllBytes(args[1]), File.ReadAllBytes(args[2])); return 0;
#endif
            default: return 2;
        }
    }

    private static HandPose Read(string path)
    {
        var decoder = new MessageDecoder();
        var data = File.ReadAllBytes(path);
        decoder.Decode(data, 0, data.Length, false);
        return decoder.Pose;
    }

    // Unity calls these by name, whatever their access.
    private static void Call(Component component, string message)
    {
        component.GetType().GetMethod(message, BindingFlags.Instance | BindingFlags.NonPublic).Invoke(component, null);
    }

    private static string Points(IEnumerable<Vector3> points)
    {
        var values = new List<float>();
        foreach (var p in points)
            values.AddRange(new[] { p.x, p.y, p.z });
        return Harness.List(values.ToArray(), values.Count);
    }

    private static string Turns(IEnumerable<Quaternion> turns)
    {
        var values = new List<float>();
        foreach (var q in turns)
            values.AddRange(new[] { q.x, q.y, q.z, q.w });
        return Harness.List(values.ToArray(), values.Count);
    }

    private static IEnumerable<Vector3> Positions(Transform[] transforms)
    {
        foreach (var transform in transforms)
            yield return transform.position;
    }

    private static void Shapes(HandPose rest, HandPose pose)
    {
        var scene = new GameObject("hand");
        var skeleton = scene.AddComponent<HandSkeleton>();
        skeleton.CreateJoints();
        skeleton.Show(pose);
        var xr = scene.AddComponent<HandXrJoints>();
        xr.Show(pose);
        Vector3 palm;
        Quaternion turn;
        if (!xr.TryGet(2, out palm, out turn) || xr.TryGet(27, out palm, out turn))
            throw new InvalidOperationException("XRHandJointIDs go from 1 to 26");
        scene.AddComponent<MeshFilter>();
        var mesh = scene.AddComponent<HandMesh>();
        Call(mesh, "OnEnable");
        mesh.Show(pose);
        var drawn = scene.GetComponent<MeshFilter>().sharedMesh;
        Console.WriteLine("{\"skeleton\":" + Points(Positions(skeleton.Joints)) + ",\"xr\":" + Points(xr.Positions)
            + ",\"turns\":" + Turns(xr.Rotations) + ",\"vertices\":" + Points(drawn.vertices)
            + ",\"normals\":" + Points(drawn.normals) + ",\"triangles\":[" + string.Join(",", Strings(drawn.triangles))
            + "],\"rig\":" + Points(Positions(Rig(rest, pose))) + "}");
    }

    private static string[] Strings(int[] values) { return Array.ConvertAll(values, v => v.ToString()); }

    private static Transform[] Rig(HandPose rest, HandPose pose)
    {
        var root = new GameObject("rig");
        var bones = new Transform[Hand.Points];
        for (var i = 0; i < Hand.Points; i++)
        {
            var parent = i == 0 ? root.transform : bones[Hand.Parents[i]];
            bones[i] = new GameObject("bone" + i).transform;
            bones[i].SetParent(parent, false);
            // Any rest rotation will do: a rigger's axes are his own.
            bones[i].localRotation = Quaternion.LookRotation(new Vector3(i % 3, 1, i % 5), new Vector3(1, i % 2, 0.3f));
            bones[i].localPosition =
                Quaternion.Inverse(parent.rotation) * (HandSpace.Point(rest.Joints, i) - parent.position);
        }
        var rig = root.AddComponent<HandRig>();
        rig.Bones = bones;
        rig.TurnWrist = true;
        if (!rig.TakeRestPose())
            throw new InvalidOperationException("the rig has all bones");
        rig.Show(pose);
        return bones;
    }

    private static int Live(string url, string token, int count)
    {
        var scene = new GameObject("client");
        var client = scene.AddComponent<MyocastClient>();
        client.Url = url;
        client.Token = token;
        client.Streams = "pose,status";
        var child = new GameObject("hand");
        child.transform.SetParent(scene.transform, false);
        var skeleton = child.AddComponent<HandSkeleton>();
        int shown = 0, hellos = 0, statuses = 0, connected = 0, refused = 0, gone = 0;
        client.PoseChanged += pose => shown++;
        client.HelloReceived += hello => hellos++;
        client.StatusReceived += status => statuses++;
        client.OnConnected.AddListener(() => connected++);
        client.OnDisconnected.AddListener(() => gone++);
        client.OnRefused.AddListener(text => refused++);
        Call(client, "OnEnable");
        Call(skeleton, "OnEnable");
        while (shown < count && refused == 0)
        {
            Call(client, "Update");
            Thread.Sleep(5);
        }
        var pose0 = client.Pose(0);
        var matches = pose0 == null || skeleton.Joints[8].localPosition.x == pose0.Joints[24] * HandSpace.MetresPerMm;
        Call(skeleton, "OnDisable");
        Call(client, "OnDisable");
        Console.WriteLine("{\"shown\":" + shown + ",\"hellos\":" + hellos + ",\"statuses\":" + statuses
            + ",\"connected\":" + connected + ",\"disconnected\":" + gone + ",\"refused\":" + refused
            + ",\"matches\":" + (matches ? "true" : "false")
            + ",\"lines\":" + Harness.Text(string.Join("|", Debug.Lines.ToArray())) + "}");
        return 0;
    }

#if MYOCAST_NATIVEWEBSOCKET
    private static void Browser(byte[] pose, byte[] hello)
    {
        var options = new StreamOptions { Url = "http://h:1/#token=a b", FirstDelayMs = 0, LongestDelayMs = 0, PingIntervalMs = 0 };
        var link = StreamLinks.Open(options);
        var states = new List<string>();
        link.Start();
        var first = NativeWebSocket.WebSocket.Last;
        states.Add(link.State.ToString());
        first.Open();
        first.Message(hello);
        states.Add(link.State.ToString());
        first.Message(pose);
        link.Poll();
        link.Subscribe("pose,emg", 30);
        first.Fail(1006);
        states.Add(link.State.ToString());
        link.Poll();
        states.Add(link.State.ToString());
        var second = NativeWebSocket.WebSocket.Last;
        first.Message(pose);
        second.Fail(1008);
        states.Add(link.State.ToString());
        link.Poll();
        Console.WriteLine("{\"states\":" + Harness.Text(string.Join(" ", states.ToArray())) + ",\"url\":" + Harness.Text(first.Url)
            + ",\"again\":" + Harness.Text(second.Url) + ",\"protocol\":" + Harness.Text(first.Subprotocol)
            + ",\"sent\":[" + string.Join(",", first.Sent.ToArray()) + "],\"poses\":" + link.Session.Poses.Count(0)
            + ",\"tries\":" + (NativeWebSocket.WebSocket.Last == second ? 2 : 3) + "}");
        link.Dispose();
    }
#endif
}
