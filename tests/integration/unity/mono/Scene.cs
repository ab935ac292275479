// Runs the package's components on a stand-in for UnityEngine.
//   shapes REST.bin POSE.bin     what skeleton, mesh, XR joints and rig make of a pose; the rig rests in REST
//   joints POSE.bin              26 OpenXR joints of a pose, in Unity's space
//   live URL TOKEN COUNT         the client component against a server, until COUNT poses were shown; its inspector
//   leave URL                    on any line on stdin, the client component is disabled
//   bones NAME...                which of the named objects (PARENT/CHILD, parents first) the rig takes for its bones
//   material PIPELINE SHADER...  the mesh's material when it has none and when it has one of each shader; all in the build
//   menu PIPELINE GUID           what the menu entry makes of the prefab that has this GUID
//   browser POSE.bin HELLO.json  the WebGL transport against a stand-in for NativeWebSocket
using System;
using System.Collections.Generic;
using System.IO;
using System.Reflection;
using System.Threading;
using Myocast;
using Myocast.Unity;
using UnityEngine;
using UnityEngine.Rendering;

internal static class Scene
{
    private static int Main(string[] args)
    {
        switch (args[0])
        {
            case "shapes": Shapes(Read(args[1]), Read(args[2])); return 0;
            case "joints": Joints(Read(args[1])); return 0;
            case "leave": Leave(args[1]); return 0;
            case "bones": Bones(args); return 0;
            case "material": Materials(args); return 0;
            case "menu": Menu(args[1], args[2]); return 0;
            case "live": return Live(args[1], args[2], int.Parse(args[3]));
#if MYOCAST_NATIVEWEBSOCKET
            case "browser": Browser(File.ReadAllBytes(args[1]), File.ReadAllBytes(args[2])); return 0;
#endif
            default: return 2;
        }
    }

    private static HandPose Read(string path)
    {
        var data = File.ReadAllBytes(path);
        var session = new StreamSession(Clock.Now);
        HandPose read = null;
        session.PoseReceived += pose => read = pose;
        session.Receive(data, 0, data.Length, false);
        return read;
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
        scene.AddComponent<MeshRenderer>();
        var mesh = scene.AddComponent<HandMesh>();
        Call(mesh, "OnEnable");
        mesh.Show(pose);
        var drawn = scene.GetComponent<MeshFilter>().sharedMesh;
        Console.WriteLine("{\"skeleton\":" + Points(Positions(skeleton.Joints)) + ",\"xr\":" + Points(xr.Positions)
            + ",\"turns\":" + Turns(xr.Rotations) + ",\"vertices\":" + Points(drawn.vertices)
            + ",\"normals\":" + Points(drawn.normals) + ",\"triangles\":[" + string.Join(",", Strings(drawn.triangles))
            + "],\"rig\":" + Points(Positions(Rig(rest, pose))) + "}");
    }

    private static void Joints(HandPose pose)
    {
        var positions = new Vector3[XrHand.Joints];
        var rotations = new Quaternion[XrHand.Joints];
        XrHand.Fill(pose.Joints, pose.Left, positions, rotations);
        var ids = new List<string>();
        for (var j = 0; j < XrHand.Joints; j++)
            ids.Add(XrHand.ToUnityJointId(j).ToString());
        Console.WriteLine("{\"positions\":" + Points(positions) + ",\"rotations\":" + Turns(rotations) + ",\"unity\":["
            + string.Join(",", ids.ToArray()) + "]}");
    }

    private static void Bones(string[] args)
    {
        var made = new Dictionary<string, Transform>();
        for (var i = 1; i < args.Length; i++)
        {
            var slash = args[i].LastIndexOf('/');
            var bone = new GameObject(args[i].Substring(slash + 1)).transform;
            if (slash >= 0)
                bone.SetParent(made[args[i].Substring(0, slash)], false);
            made.Add(args[i], bone);
        }
        var rig = made[args[1]].gameObject.AddComponent<HandRig>();
        var problem = rig.FindBones();
        var names = Array.ConvertAll(rig.Bones, bone => bone == null ? "null" : Harness.Text(bone.name));
        Console.WriteLine("{\"bones\":[" + string.Join(",", names) + "],\"problem\":" + Harness.Text(problem) + "}");
    }

    private static void UsePipeline(string name)
    {
        if (name == "built-in")
            return;
        var shader = new Shader { name = name + "/Lit" };
        GraphicsSettings.currentRenderPipeline = new RenderPipelineAsset
        {
            defaultShader = shader, defaultMaterial = new Material(shader) { name = "Lit.mat" },
        };
    }

    private static string MaterialOf(string shader)
    {
        var hand = new GameObject("hand");
        hand.AddComponent<MeshFilter>();
        var renderer = hand.AddComponent<MeshRenderer>();
        if (shader != "")
            renderer.sharedMaterial = new Material(new Shader { name = shader });
        Call(hand.AddComponent<HandMesh>(), "OnEnable");
        return renderer.sharedMaterial == null ? "none" : renderer.sharedMaterial.shader.name;
    }

    private static void Materials(string[] args)
    {
        UsePipeline(args[1]);
        var shaders = new List<string>(args).GetRange(2, args.Length - 2);
        var without = MaterialOf("");
        Shader.Included.AddRange(shaders);
        var got = new List<string> { Harness.Text(without), Harness.Text(MaterialOf("")) };
        foreach (var shader in shaders)
            got.Add(Harness.Text(MaterialOf(shader)));
        Console.WriteLine("{\"shaders\":[" + string.Join(",", got.ToArray()) + "],\"lines\":"
            + Harness.Text(string.Join("|", Debug.Lines.ToArray())) + "}");
    }

    private static void Menu(string pipeline, string guid)
    {
        UsePipeline(pipeline);
        var prefab = new GameObject("prefab");
        var hand = new GameObject("hand");
        hand.transform.SetParent(prefab.transform, false);
        hand.AddComponent<MeshRenderer>();
        UnityEditor.AssetDatabase.Guid = guid;
        UnityEditor.AssetDatabase.Prefab = prefab;
        var menu = typeof(Myocast.EditorTools.HandMenu);
        var entry = menu.GetMethod("CreateHand", BindingFlags.Static | BindingFlags.NonPublic);
        var parent = new GameObject("parent");
        entry.Invoke(null, new object[] { new UnityEditor.MenuCommand { context = parent } });
        var path = ((UnityEditor.MenuItem)entry.GetCustomAttributes(typeof(UnityEditor.MenuItem), false)[0]).Path;
        Console.WriteLine("{\"path\":" + Harness.Text(path) + ",\"material\":"
            + Harness.Text(hand.GetComponent<MeshRenderer>().sharedMaterial.name) + ",\"parent\":"
            + Harness.Text(prefab.transform.parent.name) + ",\"selected\":"
            + Harness.Text(UnityEditor.Selection.activeObject.name) + ",\"undo\":" + UnityEditor.Undo.Steps.Count + "}");
    }

    private static void Leave(string url)
    {
        var client = new GameObject("client").AddComponent<MyocastClient>();
        client.Url = url;
        Call(client, "OnEnable");
        Call(client, "Update");
        Console.WriteLine("{\"state\":" + Harness.Text(client.State.ToString()) + "}");
        Console.ReadLine();
        Call(client, "OnDisable");
        Console.WriteLine("{\"state\":" + Harness.Text(client.State.ToString()) + "}");
    }

    private static string[] Inspect(MyocastClient client)
    {
        var inspector = new Myocast.EditorTools.MyocastClientEditor { target = client };
        inspector.OnInspectorGUI();
        var lines = UnityEditor.EditorGUILayout.Lines.ToArray();
        UnityEditor.EditorGUILayout.Lines.Clear();
        return lines;
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
        Application.isPlaying = false;
        var editing = Inspect(client);
        Application.isPlaying = true;
        while ((shown < count || client.ClockOffset == null || client.Status(0) == null) && refused == 0)
        {
            Call(client, "Update");
            Thread.Sleep(5);
        }
        var playing = Inspect(client);
        var pose0 = client.Pose(0);
        var matches = pose0 == null || skeleton.Joints[8].localPosition.x == pose0.Joints[24] * HandSpace.MetresPerMm;
        Call(skeleton, "OnDisable");
        Call(client, "OnDisable");
        Console.WriteLine("{\"shown\":" + shown + ",\"hellos\":" + hellos + ",\"statuses\":" + statuses
            + ",\"connected\":" + connected + ",\"disconnected\":" + gone + ",\"refused\":" + refused
            + ",\"matches\":" + (matches ? "true" : "false") + ",\"editing\":["
            + string.Join(",", Array.ConvertAll(editing, Harness.Text)) + "],\"playing\":["
            + string.Join(",", Array.ConvertAll(playing, Harness.Text)) + "]"
            + ",\"lines\":" + Harness.Text(string.Join("|", Debug.Lines.ToArray())) + "}");
        return 0;
    }

#if MYOCAST_NATIVEWEBSOCKET
    private static void Browser(byte[] pose, byte[] hello)
    {
        var options = new StreamOptions { Url = "http://h:1/#token=a b", FirstDelayMs = 0, LongestDelayMs = 0, PingIntervalMs = 0 };
        typeof(BrowserLink).GetMethod("Register", BindingFlags.Static | BindingFlags.NonPublic).Invoke(null, null);
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
