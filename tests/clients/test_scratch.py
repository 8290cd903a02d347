from tests.system.scene import make_scene
from tests.conftest import *
import time, pytest
@pytest.fixture
def database_url(request): return postgres_copy(request.getfixturevalue("postgres"), request.getfixturevalue("migrated_postgres"))
def test_a(make_scene):
    with make_scene(workers=1, proxied={"database","web","provider"}) as s:
        u=s.user()
        rs=[s.post(u,f"m{i}",model="openai/fake-t100-r20") for i in range(4)]
        ws=[s.watch(u,r) for r in rs]
        for w in ws: w.sse.wait_for(lambda w=w: w.sse.tokens)
        db=s.proxies["database"]
        for k in range(12):
            db.drop_responses(); time.sleep(0.05); db.heal()
            f=s.poster(u).post(f"x{k}", model="openai/fake-t5", key=f"k{k}")
            time.sleep(0.1); db.drop_responses(); time.sleep(0.1); db.heal()
            p=f.result(30); assert p.status==202, p.body; s.expect(u,p)
        s.proxies["provider"].cut(); 
        s.proxies["web"].drop_responses()
        f=s.poster(u).post("lost", model="openai/fake-t5", key="lost"); time.sleep(1); s.proxies["web"].heal(); s.expect(u,f.result(20))
        db.blackhole(); t=time.time(); 
        try: print("get", u.client.get("/api/messages/"+rs[0].id).status_code, time.time()-t)
        except Exception as e: print("get", repr(e), time.time()-t)
        t=time.time()
        try: print("post", u.client.post("/api/messages", json={"content":"zz"}).status_code, time.time()-t)
        except Exception as e: print("post", repr(e), time.time()-t)
        db.heal()
        s.faults_ended=time.time()
        s.settle(60); 
        for w in ws:
            st=u.client.get("/api/messages/"+rs[ws.index(w)].id).json()
            print(st["status"], st["attempt"], [c.text(st["id"])==st["content"] for c in w], st["error"])
    print(s.report)
